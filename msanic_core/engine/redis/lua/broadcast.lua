-- Send a message to the nodes that have members of a group.
--
-- KEYS  1 nodes, see enter.lua
-- ARGV  1 prefix of the nodes' channels  2 payload
-- Returns the number of nodes.

local nodes = redis.call('HKEYS', KEYS[1])
for _, node in ipairs(nodes) do
    redis.call('PUBLISH', ARGV[1] .. node, ARGV[2])
end
return #nodes
