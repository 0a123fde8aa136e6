-- Releases the batch of a run that has ended: compare and delete. Keys of other runs stay. The marker is that of the run
-- that completed last.
-- KEYS: lock, counter, completion marker, a ticket each job.
-- ARGV: run, the moment of completion or '' when the run did not complete, seconds for the marker to live.
for i = 4, #KEYS do
  -- A key of another type, which no script of Adsum writes, is no ticket.
  if redis.pcall('GET', KEYS[i]) == ARGV[1] then
    redis.call('DEL', KEYS[i])
  end
end
if ARGV[2] ~= '' then
  local marked = redis.pcall('GET', KEYS[3])
  -- Times in UTC in ISO 8601 sort as strings. A key of another type, which no script of Adsum writes, is overwritten.
  if type(marked) ~= 'string' or marked < ARGV[2] then
    redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[3])
  end
end
local holder = redis.call('GET', KEYS[1])
if holder ~= ARGV[1] then
  -- A counter without a lock is the rest of a lost lock, and belongs to no run.
  if not holder then
    redis.call('DEL', KEYS[2])
  end
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
