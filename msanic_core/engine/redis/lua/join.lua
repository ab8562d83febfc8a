-- Enter a group in the session's groups.
--
-- KEYS  1 sessions  2 groups of the session
-- ARGV  1 session id  2 group
-- Returns 1; 0 when the session has no record.

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
    return 0
end
redis.call('SADD', KEYS[2], ARGV[2])
return 1
