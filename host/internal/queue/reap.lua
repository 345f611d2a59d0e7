-- Forgets a node that is gone. ARGV from 4: the node, the counter that was seen ('' when there was none). Nothing happens
-- when it beats again or still owns an entry. Returns 1 when it was forgotten.
if (call('HGET', BEAT, ARGV[4]) or '') ~= ARGV[5] then return 0 end
for i = 1, 3 do
  local p = redis.pcall('XPENDING', STREAM[i], GROUP, '-', '+', 1, ARGV[4])
  if not p.err and p[1] then return 0 end
end
call('HDEL', BEAT, ARGV[4])
for i = 1, 3 do redis.pcall('XGROUP', 'DELCONSUMER', STREAM[i], GROUP, ARGV[4]) end
return 1
