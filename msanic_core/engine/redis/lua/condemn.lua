-- Declare an owner dead: from then on it gives no sign of life any more, and what it held may be claimed.
--
-- KEYS  1 beats  2 dead, see beat.lua
-- ARGV  1 owner  2 its last beat, or who has condemned it before  3 who does so now
-- Returns 1; 0 when it has given another sign of life, or somebody else has condemned it.

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
    redis.call('HDEL', KEYS[1], ARGV[1])
elseif redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
    return redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[3] and 1 or 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 1
