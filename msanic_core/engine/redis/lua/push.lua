--# inbox_common
-- Store a message in a user's inbox and send it to the nodes of the user's sessions.
--
-- KEYS  1 sessions  2 meta  3 inbox  4 keys: sorted set of the keys of stored messages, by id
-- ARGV  1 packed message  2 key  3 now  4 milliseconds for which `keys` is kept  5 max messages  6 max bytes
--       7 max age  8 prefix of the nodes' channels  9 user; times in milliseconds
-- Returns the message's id, as text. A message whose key is known is neither stored nor sent again:
-- the id is that of the first.

local sessions, meta, inbox, keys = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local packed, key, now, max_age = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[7])

local known = redis.call('ZSCORE', keys, key)
if known then
    return text(tonumber(known))
end
if redis.call('EXISTS', meta) == 0 then
    create(meta, inbox, sessions, ARGV[3])
end
local id = text(next_id(meta, ARGV[3]))
redis.call('XADD', inbox, id .. '-0', 'p', packed, 't', ARGV[3])
redis.call('HSET', meta, 'last', id)
redis.call('HINCRBY', meta, 'bytes', #packed)
redis.call('ZADD', keys, id, key)
redis.call('ZREMRANGEBYRANK', keys, 0, -1001)
redis.call('PEXPIRE', keys, ARGV[4])
trim(meta, inbox, tonumber(ARGV[5]), tonumber(ARGV[6]), now - max_age)
keep(meta, inbox, max_age)

local told = {}
for _, record in ipairs(redis.call('HVALS', sessions)) do
    local node = field(record, 3)
    if not told[node] then
        told[node] = true
        redis.call('PUBLISH', ARGV[8] .. node, 'p' .. id .. '\n' .. ARGV[9] .. '\n' .. packed)
    end
end
return id
