-- Take the time a client gave in its handshake, if it is newer than the user's last one.
--
-- KEYS  1 handshake
-- ARGV  1 time, in seconds
-- Returns 1 if it was newer, else 0.

local last = redis.call('GET', KEYS[1])
if last and tonumber(ARGV[1]) <= tonumber(last) then
    return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
