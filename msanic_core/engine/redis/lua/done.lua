-- Mark a plugin's part of an offline job as done.
--
-- KEYS  1 job, see lost.lua
-- ARGV  1 owner  2 plugin
-- Returns how many plugins have yet to be told; -1 when the job is somebody else's, or there is none.

local job = KEYS[1]
if redis.call('HGET', job, 'owner') ~= ARGV[1] then
    return -1
end
redis.call('HDEL', job, 'p:' .. ARGV[2])
local left = redis.call('HLEN', job) - 5
if left == 0 then
    redis.call('DEL', job)
end
return left
