-- Releases a batch that a run ended: compare and delete. What another run holds stays as it is; the marker tells of the
-- run that completed last, whoever holds the batch by then.
-- KEYS: lock, counter, completion marker, a ticket each job.
-- ARGV: run, the moment of completion or '' when the run did not complete, seconds for the marker to live.
for i = 4, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[1] then
    redis.call('DEL', KEYS[i])
  end
end
if ARGV[2] ~= '' then
  local told = redis.pcall('GET', KEYS[3])
  -- Moments in UTC by ISO 8601 stand in their order. A key of another kind, which no script of ours makes, tells nothing.
  if type(told) ~= 'string' or told < ARGV[2] then
    redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[3])
  end
end
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] then
  -- A counter without a lock is what a lost lock left, and nobody's.
  if not holder then
    redis.call('DEL', KEYS[2])
  end
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
