-- Cancels one job. ARGV from 4: id, reason, instance. Returns the state before: w, d, r (ended now), p (runs: flagged, its
-- node told), the state of an ended job, or nothing.
local id, reason = ARGV[4], ARGV[5]
local r = load(id)
if not r then return '' end
local gates, held, work = gates_of(r), tonumber(r.h or 0), {}
if r.s == 'w' then
  call('ZREM', HELD, id)
  leave(id, gates, 1, held + 1, work)
elseif r.s == 'd' then
  call('ZREM', DELAYED, id)
  leave(id, gates, 1, held, work)
elseif r.s == 'r' then
  local p = redis.pcall('XPENDING', STREAM[r.l + 1], GROUP, r.i, r.i, 1)
  if not p.err and p[1] then
    door(REC .. id)
    call('HSET', REC .. id, 'c', reason)
    call('PUBLISH', CONTROL .. p[1][2], 'cancel ' .. ARGV[6] .. ' ' .. id .. ' ' .. reason)
    return 'p'
  end
  call('XDEL', STREAM[r.l + 1], r.i)
  leave(id, gates, 1, #gates, work)
else
  return r.s
end
finish(id, r, 'c', reason, '', '')
pump(work)
return r.s
