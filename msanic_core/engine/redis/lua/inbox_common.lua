-- What the scripts of an inbox share; put before those that ask for it.
--
-- meta    hash: `last` the highest id given, `base` up to where all clients known at the time had everything, `bytes`
--         of all entries, `c:CLIENT` the position of each client
-- inbox   stream: entry ID-0 with `p` the packed message and `t` when it was stored, in milliseconds

local MAX_CLIENTS = 100

local function text(number)
    return string.format('%.0f', number)
end

-- One field of a session's record: 1 mark, 2 owner, 3 node, 4 client, 5 the rest.
local function field(record, number)
    local fields = {string.match(record, '^(.-)\n(.-)\n(.-)\n(.-)\n(.*)$')}
    return fields[number]
end

-- Ids begin above the clock's milliseconds: those of an inbox that was forgotten stay below, as long as a user gets
-- fewer than a thousand messages a second for as long as an inbox is kept. Who is connected is known from the start.
local function create(meta, inbox, sessions, now)
    redis.call('DEL', inbox)
    redis.call('HSET', meta, 'last', now, 'base', now, 'bytes', 0)
    for _, record in ipairs(redis.call('HVALS', sessions)) do
        redis.call('HSET', meta, 'c:' .. field(record, 4), now)
    end
end

local function position_of(meta, client)
    local position = redis.call('HGET', meta, 'c:' .. client)
    if position then
        return tonumber(position)
    end
    local known = redis.call('HGETALL', meta)
    local count, lowest, lowest_position = 0, nil, nil
    for index = 1, #known, 2 do
        if string.sub(known[index], 1, 2) == 'c:' then
            count = count + 1
            local other = tonumber(known[index + 1])
            if not lowest or other < lowest_position then
                lowest, lowest_position = known[index], other
            end
        end
    end
    if count >= MAX_CLIENTS then
        redis.call('HDEL', meta, lowest)
    end
    local base = redis.call('HGET', meta, 'base')
    redis.call('HSET', meta, 'c:' .. client, base)
    return tonumber(base)
end

local function entry_id(entry)
    return tonumber(string.match(entry[1], '^(%d+)'))
end

-- Drop the oldest entries while `too_many(count, bytes, entry)` says so.
local function drop_oldest(meta, inbox, too_many)
    local count = redis.call('XLEN', inbox)
    local bytes = tonumber(redis.call('HGET', meta, 'bytes'))
    local size, dropped = 1, 0
    repeat
        local chosen = {}
        for _, entry in ipairs(redis.call('XRANGE', inbox, '-', '+', 'COUNT', size)) do
            if not too_many(count, bytes, entry) then
                break
            end
            chosen[#chosen + 1] = entry[1]
            count = count - 1
            bytes = bytes - #entry[2][2]
        end
        if #chosen > 0 then
            redis.call('XDEL', inbox, unpack(chosen))
        end
        dropped = dropped + #chosen
        local all = #chosen == size
        size = 100
    until not all
    if dropped > 0 then
        redis.call('HSET', meta, 'bytes', text(bytes))
    end
end

-- An inbox that nobody looked at for twice as long as its messages live is forgotten.
local function keep(meta, inbox, max_age)
    redis.call('PEXPIRE', meta, text(2 * max_age))
    redis.call('PEXPIRE', inbox, text(2 * max_age))
end

local function trim(meta, inbox, max_messages, max_bytes, oldest)
    drop_oldest(meta, inbox, function(count, bytes, entry)
        return count > max_messages or bytes > max_bytes or tonumber(entry[2][4]) < oldest
    end)
end
