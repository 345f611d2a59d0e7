-- Starts a dead letter anew. ARGV from 4: id, new id, lane. Returns the new job's id and state, or the state that stands against it.
local id, new = ARGV[4], ARGV[5]
local r = load(id)
if not r then return {'', ''} end
if r.s == 'y' then
  local next = call('HGET', REC .. id, 'j')
  return {next, call('HGET', REC .. next, 's') or 'f', 1}
end
if r.s ~= 'x' then return {'', r.s} end
if not r.e then return {'', 'lost'} end
if call('EXISTS', REC .. new) == 1 then return {'', 'taken'} end
call('ZREM', DEAD, id)
call('HDEL', REC .. id, 'e')
local n = {l = ARGV[6], e = r.e, b = tostring(NOW)}
local f = {'s', 'w', 'l', n.l, 'e', n.e}
for _, k in ipairs(FIXED) do
  -- Nobody waits for a replay, and its time has passed long ago.
  if k ~= 'b' and k ~= 'y' and k ~= 'x' then n[k] = r[k] end
  if n[k] then f[#f + 1] = k; f[#f + 1] = n[k] end
end
call('HSET', REC .. new, unpack(f))
local state = place(new, n, enter(new, gates_of(n), 1))
call('HSET', REC .. id, 's', 'y', 'j', new)
call('PEXPIRE', REC .. id, r.w or MIN_WINDOW)
return {new, state, 0}
