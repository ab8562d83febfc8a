-- Mark a plugin's part of an offline job as done; a job of which nothing is left is forgotten.
--
-- KEYS  1 job, see unregister.lua
-- ARGV  1 owner  2 plugin; empty: none
-- Returns 1; 0 when the job is somebody else's, or there is none.

local job = KEYS[1]
if redis.call('HGET', job, 'owner') ~= ARGV[1] then
    return 0
end
redis.call('HDEL', job, 'p:' .. ARGV[2])
if redis.call('HLEN', job) == 5 then
    redis.call('DEL', job)
end
return 1
