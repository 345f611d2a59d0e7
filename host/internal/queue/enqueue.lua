-- Makes jobs safe. ARGV from 4: depth limit, then 13 a job: id, lane, type, request id, reply ('1' or ''), accepted ms
-- (or ''), window ms, ms until it may start (or ''), ms until it expires (or ''), gates, alias (or ''), envelope,
-- exempt from the depth limit ('1' or ''). Returns id, state, code a job; code 0 new, 1 known, 2 full.
local limit = tonumber(call('HGET', CTL, 'depth') or ARGV[4])
local depth = call('ZCARD', DELAYED) + call('ZCARD', HELD)
for i = 1, 3 do depth = depth + call('XLEN', STREAM[i]) end

local function opt(v) return v ~= '' and v or false end

local out = {}
for at = 5, #ARGV, 13 do
  local id, alias = ARGV[at], opt(ARGV[at + 10])
  local state, code = call('HGET', REC .. id, 's'), 1
  if not state and alias then
    local other = call('GET', ALIAS .. alias)
    state = other and call('HGET', REC .. other, 's')
    if state then id = other end
  end
  if not state then
    code = 0
    if depth >= limit and ARGV[at + 12] == '' then
      state, code = '', 2
    else
      depth = depth + 1
      local r = {
        l = ARGV[at + 1], t = ARGV[at + 2], q = opt(ARGV[at + 3]), y = opt(ARGV[at + 4]),
        b = opt(ARGV[at + 5]) or tostring(NOW), w = ARGV[at + 6], g = opt(ARGV[at + 9]), e = ARGV[at + 11],
      }
      if ARGV[at + 8] ~= '' then r.x = tostring(NOW + ARGV[at + 8]) end
      local f = {'l', r.l}
      for _, k in ipairs(FIXED) do
        if r[k] then f[#f + 1] = k; f[#f + 1] = r[k] end
      end
      local n = #f
      if ARGV[at + 7] ~= '' then
        local due = NOW + ARGV[at + 7]
        state = 'd'
        call('ZADD', DELAYED, math.min(due, tonumber(r.x or due)), id)
        f[n + 1], f[n + 2], f[n + 3], f[n + 4] = 'e', r.e, 'u', due
      else
        local held, all = enter(id, gates_of(r), 1)
        if all then
          state = 'r'
          f[n + 1], f[n + 2] = 'i', append(id, r)
        else
          state = 'w'
          call('ZADD', HELD, r.x or '+inf', id)
          f[n + 1], f[n + 2], f[n + 3], f[n + 4] = 'e', r.e, 'h', held
        end
      end
      call('HSET', REC .. id, 's', state, unpack(f))
      if alias then call('SET', ALIAS .. alias, id, 'PX', r.w) end
    end
  end
  out[#out + 1] = id
  out[#out + 1] = state
  out[#out + 1] = code
end
return out
