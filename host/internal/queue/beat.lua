-- Says that this node lives, and shows what is known of the others. ARGV from 4: node, counter.
-- Returns Redis' time in ms, node and counter of each beat, consumer and pending of each consumer (all lanes together).
-- HDEL first: it frees, so that the HSET is let in at maxmemory too; else every counter would stand still and living
-- nodes would lose their jobs.
door(BEAT)
call('HSET', BEAT, ARGV[4], ARGV[5])
local consumers, order = {}, {}
for i = 1, 3 do
  local list = redis.pcall('XINFO', 'CONSUMERS', STREAM[i], GROUP)
  if not list.err then
    for _, c in ipairs(list) do
      local v = {}
      for f = 1, #c, 2 do v[c[f]] = c[f + 1] end
      if not consumers[v.name] then
        consumers[v.name] = 0
        order[#order + 1] = v.name
      end
      consumers[v.name] = consumers[v.name] + v.pending
    end
  end
end
local flat = {}
for _, name in ipairs(order) do
  flat[#flat + 1] = name
  flat[#flat + 1] = consumers[name]
end
return {NOW, call('HGETALL', BEAT), flat}
