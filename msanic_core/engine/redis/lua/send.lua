-- Send a message to the nodes of a user's sessions, and do not store it.
--
-- KEYS  1 sessions
-- ARGV  1 packed message  2 prefix of the nodes' channels  3 user
-- Returns the number of nodes.

local told, count = {}, 0
for _, record in ipairs(redis.call('HVALS', KEYS[1])) do
    local node = string.match(record, '^.-\n.-\n(.-)\n')
    if not told[node] then
        told[node] = true
        count = count + 1
        redis.call('PUBLISH', ARGV[2] .. node, 'p\n' .. ARGV[3] .. '\n' .. ARGV[1])
    end
end
return count
