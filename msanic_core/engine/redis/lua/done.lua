-- Take a plugin that was told out of an offline job; delete a job without plugins.
--
-- KEYS  1 job, see unregister.lua
-- ARGV  1 owner  2 plugin; empty: none
-- Returns 1; 0 when another owner has the job, or there is none.

local job = KEYS[1]
if redis.call('HGET', job, 'owner') ~= ARGV[1] then
    return 0
end
redis.call('HDEL', job, 'p:' .. ARGV[2])
-- The five fields that are no plugin.
if redis.call('HLEN', job) == 5 then
    redis.call('DEL', job)
end
return 1
