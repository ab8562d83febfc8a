-- Replace the record of a session by its offline job.
--
-- KEYS  1 sessions  2 job: hash of `owner`, `reason`, `session`, `closed_at`, `last`, and `p:PLUGIN` for each plugin
--       that has yet to be told  3 groups of the session  4 taken, see claim.lua
-- ARGV  1 session id  2 owner  3 '1': also if there is no record of it  4 reason  5 packed session
--       6 when it ended, in seconds  7... plugins
-- Returns {when it ended, '1' if it was the user's last session else '0', its groups}; nil when another owner has
-- it, or it is unknown.

local sessions, job, session_id, owner = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local record = redis.call('HGET', sessions, session_id)
local groups = redis.call('SMEMBERS', KEYS[3])
local noted = redis.call('HMGET', job, 'owner', 'closed_at', 'last')
local mine
if record then
    mine = string.match(record, '^.-\n(.-)\n') == owner
else
    mine = ARGV[3] == '1' and not noted[1] and redis.call('EXISTS', KEYS[4]) == 0
end
if not mine then
    return noted[1] == owner and {noted[2], noted[3], groups}
end
redis.call('HDEL', sessions, session_id)
local last = redis.call('HLEN', sessions) == 0 and '1' or '0'
redis.call('HSET', job, 'owner', owner, 'reason', ARGV[4], 'session', ARGV[5], 'closed_at', ARGV[6], 'last', last)
for index = 7, #ARGV do
    redis.call('HSET', job, 'p:' .. ARGV[index], '')
end
return {ARGV[6], last, groups}
