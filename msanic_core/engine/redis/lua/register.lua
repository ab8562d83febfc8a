--# inbox_common
-- Record a session of a user.
--
-- KEYS  1 sessions: hash of records by session id  2 meta  3 inbox
-- ARGV  1 session id  2 owner  3 node  4 client  5 packed session  6 how many sessions a user may have
--       7 '1': the others are replaced  8 prefix of the nodes' channels  9 now, in milliseconds  10 max age
-- Returns 1; 0 when the user has as many as allowed, and nothing was recorded. A session that is recorded already
-- stays as it is.
--
-- A record is lines: mark ('-', or why the session is to end), owner, node, client, then the packed session.

local sessions, session_id = KEYS[1], ARGV[1]
if redis.call('HEXISTS', sessions, session_id) == 1 then
    return 1
end
local others = redis.call('HGETALL', sessions)
local open = {}
for index = 1, #others, 2 do
    if field(others[index + 1], 1) == '-' then
        open[#open + 1] = index
    end
end
if ARGV[7] ~= '1' and #open >= tonumber(ARGV[6]) then
    return 0
end
redis.call('HSET', sessions, session_id, table.concat({'-', ARGV[2], ARGV[3], ARGV[4], ARGV[5]}, '\n'))
if ARGV[7] == '1' then
    for _, index in ipairs(open) do
        local other, record = others[index], others[index + 1]
        redis.call('HSET', sessions, other, 'replaced' .. string.sub(record, 2))
        redis.call('PUBLISH', ARGV[8] .. field(record, 3), 'c' .. other .. '\nreplaced')
    end
end
-- The client is known before the first message, so that no other client's acknowledgement drops a message of its.
if redis.call('EXISTS', KEYS[2]) == 0 then
    create(KEYS[2], KEYS[3], sessions, ARGV[9])
end
position_of(KEYS[2], ARGV[4])
keep(KEYS[2], KEYS[3], tonumber(ARGV[10]))
return 1
