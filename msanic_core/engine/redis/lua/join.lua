-- Note with a session that it is in a group.
--
-- KEYS  1 sessions  2 groups of the session
-- ARGV  1 session id  2 group
-- Returns 1; 0 when there is no such session.

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
    return 0
end
redis.call('SADD', KEYS[2], ARGV[2])
return 1
