-- Makes jobs safe. ARGV from 4: depth limit, then 13 a job: id, lane, type, request id, reply ('1' or ''), accepted ms
-- (or ''), window ms, ms until it may start (or ''), ms until it expires (or ''), gates, alias (or ''), envelope,
-- exempt from the depth limit ('1' or ''). Returns id, state, code a job; code 0 new, 1 known, 2 full.
local limit = tonumber(call('HGET', CTL, 'depth') or ARGV[4])
local depth = call('ZCARD', DELAYED) + call('ZCARD', HELD)
for i = 1, 3 do depth = depth + call('XLEN', STREAM[i]) end

-- Called for every job: written out, because tables and loops would cost more here than Redis' own work. Absent fields
-- are written empty.
local function put(id, lane, t, q, y, b, w, x, g, e, due)
  local key = REC .. id
  if due then
    call('ZADD', DELAYED, math.min(due, tonumber(x) or due), id)
    call('HSET', key, 's', 'd', 'l', lane, 't', t, 'q', q, 'y', y, 'b', b, 'w', w, 'x', x, 'g', g, 'e', e, 'u', due)
    return 'd'
  end
  if g ~= '' then
    local held, all = enter(id, gates_of({g = g}), 1)
    if not all then
      call('ZADD', HELD, x ~= '' and x or '+inf', id)
      call('HSET', key, 's', 'w', 'l', lane, 't', t, 'q', q, 'y', y, 'b', b, 'w', w, 'x', x, 'g', g, 'e', e, 'h', held)
      return 'w'
    end
  end
  local sid = call('XADD', STREAM[lane + 1], '*', 'j', id, 'e', e, 't', t, 'q', q, 'y', y, 'b', b, 'w', w, 'x', x, 'g', g)
  call('HSET', key, 's', 'r', 'l', lane, 'i', sid, 't', t, 'q', q, 'y', y, 'b', b, 'w', w, 'x', x, 'g', g)
  return 'r'
end

local now = tostring(NOW)
local out, n = {}, 0
for at = 5, #ARGV, 13 do
  local id, alias = ARGV[at], ARGV[at + 10]
  local state, code = call('HGET', REC .. id, 's'), 1
  if not state and alias ~= '' then
    local other = call('GET', ALIAS .. alias)
    state = other and call('HGET', REC .. other, 's')
    if state then id = other end
  end
  if not state then
    if depth >= limit and ARGV[at + 12] == '' then
      state, code = '', 2
    else
      depth, code = depth + 1, 0
      local b, x = ARGV[at + 5], ARGV[at + 8]
      if b == '' then b = now end
      if x ~= '' then x = tostring(NOW + x) end
      state = put(id, ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], b, ARGV[at + 6], x, ARGV[at + 9],
        ARGV[at + 11], ARGV[at + 7] ~= '' and NOW + ARGV[at + 7])
      if alias ~= '' then call('SET', ALIAS .. alias, id, 'PX', ARGV[at + 6]) end
    end
  end
  out[n + 1], out[n + 2], out[n + 3] = id, state, code
  n = n + 3
end
return out
