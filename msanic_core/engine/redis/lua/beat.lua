-- Take the beat of an owner, and return the beats of all.
--
-- KEYS  1 beats: hash of the last beat by owner  2 dead: hash of the condemning owner by dead owner  3 epoch
-- ARGV  1 owner  2 beat: a number that rises, and how many sessions it has  3 the epoch it knows; empty: it is new
--       4 an epoch for an empty store
-- Returns {epoch, '1', beats, dead}; '0' when the owner was condemned, and then its beat is not taken.

local epoch = redis.call('GET', KEYS[3])
if not epoch then
    epoch = ARGV[4]
    redis.call('SET', KEYS[3], epoch)
end
local condemned = redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1
-- An owner that was condemned and taken over is in neither hash. In an empty store every owner is new.
local forgotten = ARGV[3] == epoch and redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
if condemned or forgotten then
    return {epoch, '0', {}, {}}
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return {epoch, '1', redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}
