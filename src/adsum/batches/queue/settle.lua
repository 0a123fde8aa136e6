-- Settles jobs of a run: removes and counts each ticket that the run owns.
-- KEYS: lock, counter, a ticket each job.  ARGV: run, seconds to live.
-- Returns the number of jobs that remain, also if nothing is settled; -1 if the run does not hold the lock, or the counter
-- is lost.
local taken = 0
for i = 3, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[1] then
    redis.call('DEL', KEYS[i])
    taken = taken + 1
  end
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('EXISTS', KEYS[2]) == 0 then
  return -1
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
local left = redis.call('DECRBY', KEYS[2], taken)
-- Below zero only if a lost lock was claimed again while tickets were not lost. The caller then asks the database.
if left < 0 then
  redis.call('SET', KEYS[2], 0, 'KEEPTTL')
  return 0
end
return left
