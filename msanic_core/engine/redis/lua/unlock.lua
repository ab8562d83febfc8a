-- Release a lock, and tell the node that has waited for it the longest.
--
-- KEYS  1 lock  2 waiting, see lock.lua
-- ARGV  1 token  2 prefix of the nodes' channels  3 name of the lock
-- Returns 1; 0 when this token does not hold it.

-- For so many milliseconds only that node may take the lock. Otherwise the releasing node could take it again and again,
-- before the other one has heard of the release.
local TURN = 50

local lock, waiting = KEYS[1], KEYS[2]
if redis.call('GET', lock) ~= ARGV[1] then
    return 0
end
local node = redis.call('ZPOPMIN', waiting)[1]
if node then
    redis.call('SET', lock, 'for ' .. node, 'PX', TURN)
    redis.call('PUBLISH', ARGV[2] .. node, 'l' .. ARGV[3])
else
    redis.call('DEL', lock)
end
return 1
