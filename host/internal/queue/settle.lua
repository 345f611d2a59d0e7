-- Ends runs. ARGV from 4: node, then a run: kind, id, lane, sid, n, result, ms until Later, counts ('1' or ''), keep place
-- ('1' or ''), reason, fault, suspect ('1' or ''), deaths, may be lost ('1' or ''), the entry's fields as a count and
-- as many values (0, or the node's own copy), emits as a count and type, key, data of each.
-- Kinds: f done, d later, x dead, e expired, c cancelled, i interrupted and kept, b interrupted and given back.
-- Returns a run: won, kept, cancelled (won, but as cancelled), stale, or lost (send again with the copy).
local node = ARGV[4]
local out, work = {}, {}

local function settle(a, copy, emits)
  local kind, id, lane, sid, n = a[1], a[2], a[3], a[4], a[5]
  local key, token = REC .. id, node .. ' ' .. sid .. ' ' .. n
  local r = load(id)
  local mine, taken = pending(lane, sid, node, n)
  local forgotten = false
  if not mine then
    if r and r.tk == token then return 'won' end
    -- Neither entry nor record, soon after the start: Redis forgot. The node's copy carries the outcome out.
    if taken or r or a[14] == '' then return 'stale' end
    if #copy == 0 then return 'lost' end
    forgotten = true
  elseif r and r.i ~= sid then
    drop(lane, sid)
    return 'stale'
  end
  local e = entry(copy)
  if kind ~= 'f' and kind ~= 'i' and not e or not r and not e then
    local found = call('XRANGE', STREAM[lane + 1], sid, sid)
    e = found[1] and entry(found[1][2])
    if not e then return 'lost' end
  end
  local answer = 'won'
  if r and r.c and kind ~= 'f' then
    kind, a[10], a[11], answer = 'c', r.c, '', 'cancelled'
  elseif kind == 'c' then
    kind = 'b'
  end

  if forgotten and kind == 'i' then kind = 'b' end
  if kind == 'i' then
    door(key)
    if not r then restore(lane, sid, e, true) end
    call('HSET', key, 'm', a[10], 'o', a[11], 'k', a[13])
    if a[12] ~= '' then call('HSET', key, 'p', '1') end
    return 'kept'
  end
  if forgotten then
    door(key)
  else
    drop(lane, sid)
  end
  if not r then
    r = restore(lane, sid, e, not forgotten)
  end
  if e then r.e = e.e end
  local gates = gates_of(r)
  for i = 1, #emits, 3 do
    call('XADD', OUTBOX, '*', 'p', id, 'q', r.q or '', 't', emits[i], 'k', emits[i + 1], 'd', emits[i + 2])
  end
  local starts = (r.n or 0) + n
  if kind == 'b' then
    r.n = starts
    if a[12] ~= '' then r.p = '1' end
    r.k = a[13]
    call('HSET', key, 'n', starts, 'k', a[13], 'tk', token, 'm', a[10], 'o', a[11])
    if r.p then call('HSET', key, 'p', r.p) end
    if forgotten then
      place(id, r, enter(id, gates, 1))
    else
      place(id, r, #gates, true)
    end
    return answer
  end
  local attempts = (r.a or 0) + (a[8] ~= '' and 1 or 0)
  if kind == 'd' then
    local kept, due = 0, NOW + a[7]
    if a[9] ~= '' and not forgotten and gates[1] and string.sub(gates[1].name, 1, 6) == 'order:' then kept = 1 end
    call('HDEL', key, 'i', 'p')
    call('HSET', key, 's', 'd', 'e', r.e, 'u', due, 'h', kept, 'm', a[10], 'o', a[11], 'tk', token,
      'n', starts, 'a', attempts)
    call('ZADD', DELAYED, math.min(due, tonumber(r.x or due)), id)
    leave(id, gates, kept + 1, #gates, work)
    return answer
  end
  leave(id, gates, 1, #gates, work)
  local by = {'tk', token, 'n', starts, 'a', attempts}
  if kind == 'x' then
    bury(id, r, a[10], a[11], by)
  else
    finish(id, r, kind, a[10], a[11], a[6], by)
  end
  return answer
end

local at = 5
local function take(count)
  local list = {}
  for i = 1, count do list[i] = ARGV[at + i - 1] end
  at = at + count
  return list
end
while at <= #ARGV do
  local a = take(14)
  local copy = take(tonumber(take(1)[1]))
  out[#out + 1] = settle(a, copy, take(3 * take(1)[1]))
end
pump(work)
return out
