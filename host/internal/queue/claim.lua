-- Begins entries that this node owns already, each with exactly the delivery count it was seen with: no other node has it,
-- and no younger run of this node. ARGV from 4: node, then lane, sid, n of each. Returns what begun describes, for
-- those that began.
local out = {}
for at = 5, #ARGV, 3 do
  local lane, sid, n = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if pending(lane, sid, ARGV[4], n) then
    local got = call('XCLAIM', STREAM[lane + 1], GROUP, ARGV[4], 0, sid)
    if got[1] then
      local b = begun(lane, sid, n + 1, got[1][2])
      if b then out[#out + 1] = b end
    else
      call('XACK', STREAM[lane + 1], GROUP, sid)
    end
  end
end
return out
