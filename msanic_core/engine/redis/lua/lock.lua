-- Take a lock, or be told when it is released.
--
-- KEYS  1 lock: token of who holds it  2 fence: number of the last holder  3 waiting: set of nodes that wait for it
-- ARGV  1 token  2 milliseconds for which it is held  3 node
-- Returns {fence, as text}; {'0', milliseconds until it ends if it is not renewed} when another token holds it. A token
-- that holds it already gets the same fence again, and all its time.

-- Who waits asks again within a second.
local WAITING_KEPT = 5000
-- Fences begin at the clock's microseconds, so that they rise when this was forgotten: by more than a day no server's
-- clock goes back.
local FENCE_KEPT = 86400000

local lock, fence, waiting = KEYS[1], KEYS[2], KEYS[3]
if redis.call('SET', lock, ARGV[1], 'NX', 'PX', ARGV[2]) then
    local now = redis.call('TIME')
    local last = tonumber(redis.call('GET', fence) or 0)
    local number = string.format('%.0f', math.max(last + 1, now[1] * 1000000 + now[2]))
    redis.call('SET', fence, number, 'PX', FENCE_KEPT)
    return {number}
end
if redis.call('GET', lock) == ARGV[1] then
    redis.call('PEXPIRE', lock, ARGV[2])
    return {redis.call('GET', fence)}
end
redis.call('SADD', waiting, ARGV[3])
redis.call('PEXPIRE', waiting, WAITING_KEPT)
return {'0', redis.call('PTTL', lock)}
