-- Mark a plugin's part of an offline job as done.
--
-- KEYS  1 job, see lost.lua
-- ARGV  1 owner  2 plugin
-- Returns 1; 0 when it was done before, the job is somebody else's, or there is none.

if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then
    return 0
end
return redis.call('HDEL', KEYS[1], 'p:' .. ARGV[2])
