-- Declare an owner dead: its beats are refused from then on, and what it holds may be claimed.
--
-- KEYS  1 beats  2 dead, see beat.lua
-- ARGV  1 owner  2 its last beat, or the owner that condemned it before  3 the owner that condemns it now
-- Returns 1; 0 when the owner has beaten since, or another one has condemned it.

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
    redis.call('HDEL', KEYS[1], ARGV[1])
elseif redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
    return redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[3] and 1 or 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
