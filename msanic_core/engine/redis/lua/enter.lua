-- Put a session into a group.
--
-- KEYS  1 members: hash of records by session id  2 nodes: how many members each node has
-- ARGV  1 session id  2 owner  3 node  4 user
-- Returns 1; 0 when it was a member already.

local known = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. '\n' .. ARGV[3] .. '\n' .. ARGV[4])
if known then
    return 0
end
redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
return 1
