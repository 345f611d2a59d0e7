-- What the scripts of a domain share. It stands before each of them.
--
-- KEYS: 1-3 the lanes' streams (normal, now, bulk), 4 prefix of the records, 5 prefix of the gates, 6 delayed, 7 held,
--       8 pump, 9 outbox, 10 dead, 11 beat, 12 prefix of the aliases, 13 ctl. Prefixes share the slot of the others.
-- ARGV: 1 consumer group, 2 prefix of the result channels, 3 prefix of the control channels; the rest is each script's.
--
-- Rules: read and check first; the first write frees memory (or opens the door with an HDEL), because at maxmemory
-- Redis refuses a script's growing commands only until its first write; after it nothing may fail.
local STREAM = {KEYS[1], KEYS[2], KEYS[3]}
local REC, GATE, DELAYED, HELD, PUMP = KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local OUTBOX, DEAD, BEAT, ALIAS, CTL = KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[13]
local GROUP, RESULT, CONTROL = ARGV[1], ARGV[2], ARGV[3]
local MESSAGE_BYTES, MIN_WINDOW, RELEASE = 65536, 600000, 100
local call = redis.call

local function clock()
  local t = call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local NOW = clock()

-- Fields of a record; record.go says what each means. The first one is there in every record.
local FIELDS = {'s', 'l', 'i', 'e', 't', 'q', 'y', 'b', 'w', 'x', 'g', 'h', 'a', 'n', 'k', 'p', 'c', 'tk', 'u'}
-- Those that never change. An entry carries them too, so that a lost record can be made again.
local FIXED = {'t', 'q', 'y', 'b', 'w', 'x', 'g'}

-- load returns the record of a job, absent and empty fields false, or nil.
local function load(id)
  local v = call('HMGET', REC .. id, unpack(FIELDS))
  if not v[1] then return nil end
  local r = {}
  for i, f in ipairs(FIELDS) do r[f] = v[i] ~= '' and v[i] end
  return r
end

local function live(r) return r.s == 'r' or r.s == 'w' or r.s == 'd' end
local function expired(r) return r.x and tonumber(r.x) <= NOW end

local function gates_of(r)
  local list = {}
  if r.g then
    for n, name in string.gmatch(r.g, '(%d+) ([^\n]+)') do
      list[#list + 1] = {n = tonumber(n), name = name}
    end
  end
  return list
end

-- door opens the memory gate before a script whose own first write would grow something.
local function door(key) call('HDEL', key, '-') end

-- append makes the job's entry and returns its id.
local function append(id, r)
  local f = {'j', id, 'e', r.e}
  for _, k in ipairs(FIXED) do
    if r[k] then f[#f + 1] = k; f[#f + 1] = r[k] end
  end
  if r.a or r.n or r.k or r.p then
    f[#f + 1] = 'c'
    f[#f + 1] = (r.a or 0) .. ' ' .. (r.n or 0) .. ' ' .. (r.k or 0) .. ' ' .. (r.p or 0)
  end
  return call('XADD', STREAM[r.l + 1], '*', unpack(f))
end

-- enter takes the gates from the i-th on; returns how many are held then, and whether all are.
local function enter(id, gates, i)
  while gates[i] do
    if call('RPUSH', GATE .. gates[i].name, id) > gates[i].n then return i - 1, false end
    i = i + 1
  end
  return #gates, true
end

-- place puts a job that holds all its gates into its stream, another to the waiters. Returns the state.
local function place(id, r, held, all)
  local key = REC .. id
  if all then
    local sid = append(id, r)
    call('HDEL', key, 'e', 'h', 'u')
    call('HSET', key, 's', 'r', 'i', sid)
    return 'r'
  end
  call('HSET', key, 's', 'w', 'h', held)
  call('HDEL', key, 'u')
  call('ZADD', HELD, r.x or '+inf', id)
  return 'w'
end

-- leave gives up the gates from..to; who waits there is looked for by pump.
local function leave(id, gates, from, to, work)
  for i = from, to do
    call('LREM', GATE .. gates[i].name, 1, id)
    work[#work + 1] = gates[i]
  end
end

-- publish tells a waiting caller how the job ended.
local function publish(id, r, s, reason, fault, result)
  if not (r.y and r.q) then return end
  local big = 0
  if #result > MESSAGE_BYTES then big, result = 1, '' end
  call('PUBLISH', RESULT .. r.q,
    s .. ' ' .. id .. ' ' .. big .. ' ' .. #reason .. ' ' .. fault .. '\n' .. reason .. result)
end

-- finish ends a job that is in no place any more and has left its gates; by holds what else its record learns.
local function finish(id, r, s, reason, fault, result, by)
  local key = REC .. id
  call('HDEL', key, 'e', 'i', 'h', 'u', 'c', 'p')
  local f = {'s', s, 'v', NOW, 'm', reason, 'o', fault}
  if result ~= '' then f[#f + 1] = 'z'; f[#f + 1] = result end
  for _, v in ipairs(by or {}) do f[#f + 1] = v end
  call('HSET', key, unpack(f))
  call('PEXPIRE', key, r.w or MIN_WINDOW)
  publish(id, r, s, reason, fault, result)
end

-- bury makes a dead letter of a job that is in no place any more and has left its gates.
local function bury(id, r, reason, fault, by)
  local key = REC .. id
  call('HDEL', key, 'i', 'h', 'u', 'c', 'p')
  local f = {'s', 'x', 'v', NOW, 'm', reason, 'o', fault}
  if r.e then f[#f + 1] = 'e'; f[#f + 1] = r.e end
  for _, v in ipairs(by or {}) do f[#f + 1] = v end
  call('HSET', key, unpack(f))
  call('ZADD', DEAD, NOW, id)
  publish(id, r, 'x', reason, fault, '')
end

-- pump lets in who waits at the gates of the work list, RELEASE jobs at most; the rest is noted for the due script.
local function pump(work)
  local budget, at = RELEASE, 1
  while work[at] do
    local g = work[at]
    at = at + 1
    local again = true
    while again do
      again = false
      if budget <= 0 then
        call('SADD', PUMP, g.n .. ' ' .. g.name)
        break
      end
      for pos, id in ipairs(call('LRANGE', GATE .. g.name, 0, g.n - 1)) do
        local r = load(id)
        if not r or not live(r) then
          budget = budget - 1
          call('LREM', GATE .. g.name, 1, id)
          again = true
          break
        end
        if r.s == 'w' then
          local gates, held = gates_of(r), tonumber(r.h or 0)
          local want = gates[held + 1]
          if want and want.name == g.name and pos <= want.n then
            budget = budget - 1
            call('ZREM', HELD, id)
            if expired(r) then
              leave(id, gates, 1, held + 1, work)
              finish(id, r, 'e', 'expired', '', '')
              break
            end
            place(id, r, enter(id, gates, held + 2))
            if budget <= 0 then again = true; break end
          end
        end
      end
    end
  end
end

-- pending returns whether the entry is this node's with exactly this delivery count, and whether it is anybody's.
local function pending(lane, sid, node, n)
  local p = redis.pcall('XPENDING', STREAM[lane + 1], GROUP, sid, sid, 1)
  if p.err or not p[1] then return false, false end
  return p[1][2] == node and p[1][4] == tonumber(n), true
end

-- entry returns the fields of an entry by name, or nil.
local function entry(fields)
  local e = {}
  for i = 1, #fields, 2 do e[fields[i]] = fields[i + 1] end
  if not e.j or not e.e then return nil end
  return e
end

-- restore makes the record of an entry that has lost it, puts it at the head of its gates if it is to hold them, and
-- returns it.
local function restore(lane, sid, e, hold)
  local r = {s = 'r', l = lane, i = sid}
  local f = {'s', 'r', 'l', lane, 'i', sid}
  for _, k in ipairs(FIXED) do
    r[k] = e[k] ~= '' and e[k] or false
    if r[k] then f[#f + 1] = k; f[#f + 1] = e[k] end
  end
  call('HSET', REC .. e.j, unpack(f))
  for _, g in ipairs(hold and gates_of(r) or {}) do
    call('LREM', GATE .. g.name, 0, e.j)
    call('LPUSH', GATE .. g.name, e.j)
  end
  return r
end

local function drop(lane, sid)
  call('XACK', STREAM[lane + 1], GROUP, sid)
  call('XDEL', STREAM[lane + 1], sid)
end

-- begun describes an entry that the caller has just claimed: lane, sid, n, its fields, and what the record adds.
-- An entry that is not its job's place is taken out; nil then.
local function begun(lane, sid, n, fields)
  local e = entry(fields)
  local r = e and load(e.j)
  if not e or (r and r.i ~= sid) then
    drop(lane, sid)
    return nil
  end
  if not r then r = restore(lane, sid, e, true) end
  return {lane, sid, n, fields, r.a or '0', r.n or '0', r.k or '0', r.p or '0', r.c or ''}
end
