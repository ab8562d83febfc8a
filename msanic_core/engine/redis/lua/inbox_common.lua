-- What the scripts of an inbox share. Its text is put before the scripts that name it.
--
-- meta    hash: `last` the highest id given, `base` the position of a new client, `bytes` of all entries, `c:CLIENT`
--         the position of each client, `history` and `jumps`: see below
-- inbox   stream: entry ID-0 with `p` the packed message and `t` when it was stored, in milliseconds

local MAX_CLIENTS = 100
local MAX_JUMPS = 100

local function text(number)
    return string.format('%.0f', number)
end

-- One field of a session's record: 1 mark, 2 owner, 3 node, 4 client, 5 the rest.
local function field(record, number)
    local fields = {string.match(record, '^(.-)\n(.-)\n(.-)\n(.-)\n(.*)$')}
    return fields[number]
end

-- The history of the data that this Redis serves. A start and a promotion begin a new one. The last writes of the old
-- one may be lost then, though clients have seen the ids that they gave.
local function history()
    return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- Make an inbox. Ids begin at the clock's microseconds and rise by 1, so they are above those of an inbox that was
-- forgotten or lost. The clients of open sessions are known from the start.
local function create(meta, inbox, sessions, now)
    local first = text(tonumber(now) * 1000)
    redis.call('DEL', inbox)
    redis.call('HSET', meta, 'last', first, 'base', first, 'bytes', 0, 'history', history())
    for _, record in ipairs(redis.call('HVALS', sessions)) do
        redis.call('HSET', meta, 'c:' .. field(record, 4), first)
    end
end

-- The next id. In a new history ids go on from the clock. `jumps` has the pairs of ids between which there is no id.
local function next_id(meta, now)
    local last = tonumber(redis.call('HGET', meta, 'last'))
    local current = history()
    if redis.call('HGET', meta, 'history') ~= current then
        redis.call('HSET', meta, 'history', current)
        local from = last
        last = math.max(last, tonumber(now) * 1000)
        local jumps = cmsgpack.unpack(redis.call('HGET', meta, 'jumps') or cmsgpack.pack({}))
        jumps[#jumps + 1] = {from, last}
        if #jumps > MAX_JUMPS then
            -- Losses before this jump are no longer reported.
            local base = tonumber(redis.call('HGET', meta, 'base'))
            redis.call('HSET', meta, 'base', text(math.max(base, table.remove(jumps, 1)[2])))
        end
        redis.call('HSET', meta, 'jumps', cmsgpack.pack(jumps))
    end
    return last + 1
end

-- How many ids above `from` and up to `to` were given.
local function given(meta, from, to)
    local count = math.max(0, to - from)
    for _, jump in ipairs(cmsgpack.unpack(redis.call('HGET', meta, 'jumps') or cmsgpack.pack({}))) do
        count = count - math.max(0, math.min(to, jump[2]) - math.max(from, jump[1]))
    end
    return count
end

-- The position of a client. A new client begins at `base`, and replaces the slowest one if there are too many.
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

-- Forget an inbox that nobody uses for twice as long as it keeps messages.
local function keep(meta, inbox, max_age)
    redis.call('PEXPIRE', meta, text(2 * max_age))
    redis.call('PEXPIRE', inbox, text(2 * max_age))
end

local function trim(meta, inbox, max_messages, max_bytes, oldest)
    drop_oldest(meta, inbox, function(count, bytes, entry)
        return count > max_messages or bytes > max_bytes or tonumber(entry[2][4]) < oldest
    end)
end
