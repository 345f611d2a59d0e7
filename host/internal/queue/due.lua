-- Lets in what has become due: delayed jobs, expired waiters, gates that an earlier script noted. 100 of each a call.
-- Returns how many jobs were moved, and in how many ms the next is due (-1: none).
local work, moved = {}, 0

local function lost(id)
  call('HSET', REC .. id, 's', 'x', 'v', NOW, 'm', 'envelope lost', 'o', 'host')
  call('ZADD', DEAD, NOW, id)
end

for _, id in ipairs(call('ZRANGEBYSCORE', DELAYED, '-inf', NOW, 'LIMIT', 0, 100)) do
  moved = moved + 1
  call('ZREM', DELAYED, id)
  local r = load(id)
  if not r then
    lost(id)
  elseif r.s == 'd' then
    local gates, held = gates_of(r), tonumber(r.h or 0)
    if expired(r) then
      leave(id, gates, 1, held, work)
      finish(id, r, 'e', 'expired', '', '')
    elseif not r.e then
      leave(id, gates, 1, held, work)
      bury(id, r, 'envelope lost', 'host')
    else
      place(id, r, enter(id, gates, held + 1))
    end
  end
end
for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', NOW, 'LIMIT', 0, 100)) do
  moved = moved + 1
  call('ZREM', HELD, id)
  local r = load(id)
  if not r then
    lost(id)
  elseif r.s == 'w' then
    leave(id, gates_of(r), 1, tonumber(r.h or 0) + 1, work)
    finish(id, r, 'e', 'expired', '', '')
  end
end
for i = 1, 10 do
  local line = call('SRANDMEMBER', PUMP)
  if not line then break end
  moved = moved + 1
  call('SREM', PUMP, line)
  local n, name = string.match(line, '^(%d+) (.+)$')
  if n then work[#work + 1] = {n = tonumber(n), name = name} end
end
pump(work)

local wait = -1
for _, key in ipairs({DELAYED, HELD}) do
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  local score = first[1] and tonumber(first[2])
  if score and score < math.huge then
    local ms = math.max(0, score - NOW)
    if wait < 0 or ms < wait then wait = ms end
  end
end
if call('EXISTS', PUMP) == 1 then wait = 0 end
return {moved, wait}
