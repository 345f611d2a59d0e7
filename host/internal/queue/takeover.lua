-- Takes entries of a node that is not heard of, as many as can start at once. ARGV from 4: the node, the counter that was seen
-- five times ('' when there was none), this node, how many. Returns how many are left (at most one more is counted),
-- and what begun describes.
if (call('HGET', BEAT, ARGV[4]) or '') ~= ARGV[5] then return {0} end
local room, out = tonumber(ARGV[7]), {0}
for _, lane in ipairs({1, 0, 2}) do
  local list = redis.pcall('XPENDING', STREAM[lane + 1], GROUP, '-', '+', room + 1, ARGV[4])
  if not list.err then
    for _, p in ipairs(list) do
      if room == 0 then
        out[1] = 1
        break
      end
      local got = call('XCLAIM', STREAM[lane + 1], GROUP, ARGV[6], 0, p[1])
      if got[1] then
        local b = begun(lane, p[1], p[4] + 1, got[1][2])
        if b then
          out[#out + 1] = b
          room = room - 1
        end
      else
        call('XACK', STREAM[lane + 1], GROUP, p[1])
      end
    end
  end
end
return out
