-- Give a session of a dead owner, or the rest of its offline job, to another owner.
--
-- KEYS  1 sessions  2 job, see unregister.lua  3 groups of the session  4 taken: set for an hour by a claim
-- ARGV  1 session id  2 the dead owner  3 the new owner  4 reason  5 now, in seconds  6... plugins
-- Returns {reason, packed session, when it ended, '1' if it was the user's last session else '0', groups, plugins that
-- have yet to be told}; nil when another owner has it, or it is done.

local sessions, job, session_id, new = KEYS[1], KEYS[2], ARGV[1], ARGV[3]
local record = redis.call('HGET', sessions, session_id)
if record then
    local owner, session = string.match(record, '^.-\n(.-)\n.-\n.-\n(.*)$')
    if owner == ARGV[2] then
        redis.call('HDEL', sessions, session_id)
        local last = redis.call('HLEN', sessions) == 0 and '1' or '0'
        redis.call('HSET', job, 'owner', new, 'reason', ARGV[4], 'session', session, 'closed_at', ARGV[5], 'last', last)
        for index = 6, #ARGV do
            redis.call('HSET', job, 'p:' .. ARGV[index], '')
        end
        -- A node that was only frozen may come back and record the session again.
        redis.call('SET', KEYS[4], '', 'EX', 3600)
    end
end
local noted = redis.call('HGETALL', job)
local fields, plugins = {}, {}
for index = 1, #noted, 2 do
    local plugin = string.match(noted[index], '^p:(.*)$')
    if plugin then
        plugins[#plugins + 1] = plugin
    else
        fields[noted[index]] = noted[index + 1]
    end
end
if fields.owner ~= ARGV[2] and fields.owner ~= new then
    return false
end
redis.call('HSET', job, 'owner', new)
return {fields.reason, fields.session, fields.closed_at, fields.last, redis.call('SMEMBERS', KEYS[3]), plugins}
