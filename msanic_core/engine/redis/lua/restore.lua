--# inbox_common
-- Record a session that its node has open, in case the store has forgotten it.
--
-- KEYS  1 sessions  2 meta  3 taken, see claim.lua  4 job, see unregister.lua
-- ARGV  1 session id  2 owner  3 node  4 client  5 packed session  6 when it was opened, in seconds
--       7 '1': the newest session of a user replaces the others  8 prefix of the nodes' channels
-- Returns {mark, the highest id of the user's inbox}: '-', or why the session is to end.

local sessions, session_id = KEYS[1], ARGV[1]
if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 then
    return {'crashed', '0'}
end
local record = redis.call('HGET', sessions, session_id)
local mark = record and field(record, 1) or '-'
if not record and ARGV[7] == '1' then
    local others = redis.call('HGETALL', sessions)
    for index = 1, #others, 2 do
        local other, theirs = others[index], others[index + 1]
        if field(theirs, 1) == '-' then
            if cmsgpack.unpack(field(theirs, 5))[4] > tonumber(ARGV[6]) then
                mark = 'replaced'
            else
                redis.call('HSET', sessions, other, 'replaced' .. string.sub(theirs, 2))
                redis.call('PUBLISH', ARGV[8] .. field(theirs, 3), 'c' .. other .. '\nreplaced')
            end
        end
    end
end
redis.call('HSET', sessions, session_id, table.concat({mark, ARGV[2], ARGV[3], ARGV[4], ARGV[5]}, '\n'))
if redis.call('EXISTS', KEYS[2]) == 0 then
    return {mark, '0'}
end
-- As in register.lua.
position_of(KEYS[2], ARGV[4])
return {mark, redis.call('HGET', KEYS[2], 'last')}
