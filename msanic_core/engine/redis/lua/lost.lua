-- Take a session out and record the offline job that follows.
--
-- KEYS  1 sessions  2 job: hash of `owner`, `reason`, `session`, `closed_at`, `last`, and `p:PLUGIN` for each plugin
--       that has yet to be told  3 groups of the session
-- ARGV  1 session id  2 owner  3 '1': also if there is no record of it  4 reason  5 packed session
--       6 when it ended, in seconds  7... plugins
-- Returns {when it ended, '1' if it was the user's last session else '0'}; nil when it is somebody else's, or unknown.

local sessions, job, session_id, owner = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local record = redis.call('HGET', sessions, session_id)
local its_owner = record and string.match(record, '^.-\n(.-)\n')
if its_owner ~= owner and not (ARGV[3] == '1' and not record and redis.call('EXISTS', job) == 0) then
    local noted = redis.call('HMGET', job, 'owner', 'closed_at', 'last')
    if noted[1] == owner then
        return {noted[2], noted[3]}
    end
    return false
end
redis.call('HDEL', sessions, session_id)
redis.call('DEL', KEYS[3])
local last = redis.call('HLEN', sessions) == 0 and '1' or '0'
if #ARGV > 6 then
    redis.call('HSET', job, 'owner', owner, 'reason', ARGV[4], 'session', ARGV[5], 'closed_at', ARGV[6], 'last', last)
    for index = 7, #ARGV do
        redis.call('HSET', job, 'p:' .. ARGV[index], '')
    end
end
return {ARGV[6], last}
