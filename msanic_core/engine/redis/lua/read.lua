--# inbox_common
-- Read a part of a user's inbox.
--
-- KEYS  1 meta  2 inbox  3 sessions
-- ARGV  1 client  2 id after which to read; empty: after the client's position  3 how many at most  4 now
--       5 max messages  6 max bytes  7 max age; times in milliseconds
-- Returns {how many before these were trimmed unread, the highest id given so far, id, packed message, id, ...}.
-- A client that reads after its position is known from then on.

local meta, inbox, client = KEYS[1], KEYS[2], ARGV[1]
local now, max_age = tonumber(ARGV[4]), tonumber(ARGV[7])

if redis.call('EXISTS', meta) == 0 then
    if client == '' then
        return {'0', '0'}
    end
    create(meta, inbox, KEYS[3], ARGV[4])
end
trim(meta, inbox, tonumber(ARGV[5]), tonumber(ARGV[6]), now - max_age)
keep(meta, inbox, max_age)

local last = tonumber(redis.call('HGET', meta, 'last'))
local base = tonumber(redis.call('HGET', meta, 'base'))
local after
if ARGV[2] == '' then
    after = position_of(meta, client)
else
    after = tonumber(ARGV[2])
end
after = math.min(after, last)

local first = redis.call('XRANGE', inbox, '-', '+', 'COUNT', 1)[1]
local first_id = first and entry_id(first) or last + 1
local page = {text(given(meta, math.max(after, base), first_id - 1)), text(last)}
for _, entry in ipairs(redis.call('XRANGE', inbox, text(after + 1), '+', 'COUNT', ARGV[3])) do
    page[#page + 1] = text(entry_id(entry))
    page[#page + 1] = entry[2][2]
end
return page
