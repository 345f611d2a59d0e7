-- Stores what an instance listens to and raises the version when that is news. KEYS: 1 the subscriptions.
-- ARGV: 1 instance, 2 document (empty: take it out), 3 field of the version. Returns the version.
local before = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if before == ARGV[2] then return redis.call('HGET', KEYS[1], ARGV[3]) or '0' end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
return tostring(redis.call('HINCRBY', KEYS[1], ARGV[3], 1))
