-- Tell sessions of a user to end.
--
-- KEYS  1 sessions
-- ARGV  1 session id; empty: all of them  2 prefix of the nodes' channels
-- Returns how many were told, not counting those that were told before.

local sessions, told = KEYS[1], 0
local records = redis.call('HGETALL', sessions)
for index = 1, #records, 2 do
    local session_id, record = records[index], records[index + 1]
    local mark, node = string.match(record, '^(.-)\n.-\n(.-)\n')
    if mark == '-' and (ARGV[1] == '' or ARGV[1] == session_id) then
        redis.call('HSET', sessions, session_id, 'kicked' .. string.sub(record, 2))
        redis.call('PUBLISH', ARGV[2] .. node, 'c' .. session_id .. '\nkicked')
        told = told + 1
    end
end
return told
