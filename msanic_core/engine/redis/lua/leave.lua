-- Take a session out of a group.
--
-- KEYS  1 members  2 nodes, see enter.lua
-- ARGV  1 session id
-- Returns 1; 0 when it was no member.

local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record then
    return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
local node = string.match(record, '^.-\n(.-)\n')
if redis.call('HINCRBY', KEYS[2], node, -1) <= 0 then
    redis.call('HDEL', KEYS[2], node)
end
return 1
