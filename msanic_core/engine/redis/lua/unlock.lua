-- Release a lock, and tell the nodes that wait for it.
--
-- KEYS  1 lock  2 waiting, see lock.lua
-- ARGV  1 token  2 prefix of the nodes' channels  3 name of the lock
-- Returns 1; 0 when this token does not hold it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
redis.call('DEL', KEYS[1])
for _, node in ipairs(redis.call('SMEMBERS', KEYS[2])) do
    redis.call('PUBLISH', ARGV[2] .. node, 'l' .. ARGV[3])
end
redis.call('DEL', KEYS[2])
return 1
