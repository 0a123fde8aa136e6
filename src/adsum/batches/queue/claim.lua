-- Claims a batch for a run: lock, one ticket a job, the counter, all with a time to live.
-- KEYS: lock, counter, a ticket each job.  ARGV: run, seconds to live.
-- Returns '' if this run holds the lock, else the run that holds it.
local holder = redis.pcall('GET', KEYS[1])
-- A key of another type, which no script of Adsum writes, is overwritten.
if type(holder) == 'table' then
  holder = false
end
-- A second claim of the same run changes nothing: a settled ticket must not come back.
if holder == ARGV[1] then
  return ''
end
if holder then
  return holder
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[2], #KEYS - 2, 'EX', ARGV[2])
for i = 3, #KEYS do
  redis.call('SET', KEYS[i], ARGV[1], 'EX', ARGV[2])
end
return ''
