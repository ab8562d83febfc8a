-- Hold a lock for longer.
--
-- KEYS  1 lock, see lock.lua
-- ARGV  1 token  2 milliseconds from now for which it is held
-- Returns 1; 0 when this token does not hold it.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
