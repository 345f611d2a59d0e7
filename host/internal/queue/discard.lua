-- Ends a dead letter for good. ARGV from 4: id. Returns its state before, or nothing.
local r = load(ARGV[4])
if not r then
  call('ZREM', DEAD, ARGV[4])
  return ''
end
if r.s == 'x' then
  call('ZREM', DEAD, ARGV[4])
  call('HDEL', REC .. ARGV[4], 'e')
  call('HSET', REC .. ARGV[4], 's', 'c', 'v', NOW)
  call('PEXPIRE', REC .. ARGV[4], r.w or MIN_WINDOW)
end
return r.s
