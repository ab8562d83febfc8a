--# inbox_common
-- Raise the position of a client, and drop the entries that all known clients have.
--
-- KEYS  1 meta  2 inbox
-- ARGV  1 client  2 id
-- Returns the client's position, as text; nil when there is no inbox.

local meta, inbox, client = KEYS[1], KEYS[2], ARGV[1]
if redis.call('EXISTS', meta) == 0 then
    return false
end
local last = tonumber(redis.call('HGET', meta, 'last'))
local position, before = math.min(tonumber(ARGV[2]), last), position_of(meta, client)
if position <= before then
    return text(before)
end
redis.call('HSET', meta, 'c:' .. client, text(position))

local base, slowest = nil, position
local fields = redis.call('HGETALL', meta)
for index = 1, #fields, 2 do
    local value = tonumber(fields[index + 1])
    if fields[index] == 'base' then
        base = value
    elseif string.sub(fields[index], 1, 2) == 'c:' and value < slowest then
        slowest = value
    end
end
if slowest > base then
    redis.call('HSET', meta, 'base', text(slowest))
    drop_oldest(meta, inbox, function(_, _, entry)
        return entry_id(entry) <= slowest
    end)
end
return text(position)
