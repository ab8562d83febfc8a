-- Take a lock, or stand in line for it.
--
-- KEYS  1 lock: the holder's token, or 'for NODE': that node's turn, see unlock.lua  2 fence: number of the last holder
--       3 waiting: sorted set of the nodes that wait for it, by the time when they began to
-- ARGV  1 token  2 milliseconds for which it is held  3 node  4 '1': it waits
-- Returns {fence, as text}; {'0', milliseconds until it may be free} when it is not free. A token that holds the lock
-- already gets the same fence again, and the full time.

-- A node that waits asks again within a second.
local WAITING_KEPT = 5000
-- Fences begin at the clock's microseconds, so they rise even after this key has expired: no server's clock goes back by
-- more than a day.
local FENCE_KEPT = 86400000

local lock, fence, waiting, token, node = KEYS[1], KEYS[2], KEYS[3], ARGV[1], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local holder = redis.call('GET', lock)
if not holder or holder == 'for ' .. node then
    local last = tonumber(redis.call('GET', fence) or 0)
    local number = string.format('%.0f', math.max(last + 1, now))
    redis.call('SET', lock, token, 'PX', ARGV[2])
    redis.call('SET', fence, number, 'PX', FENCE_KEPT)
    redis.call('ZREM', waiting, node)
    return {number}
end
if holder == token then
    redis.call('PEXPIRE', lock, ARGV[2])
    return {redis.call('GET', fence)}
end
if ARGV[4] == '1' then
    redis.call('ZADD', waiting, 'NX', now, node)
    redis.call('PEXPIRE', waiting, WAITING_KEPT)
end
return {'0', redis.call('PTTL', lock)}
