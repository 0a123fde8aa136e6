-- Releases a batch that a run ended: compare and delete. A lock of another run stays as it is.
-- KEYS: lock, counter, completion marker, a ticket each job.
-- ARGV: run, the moment of completion or '' when the run did not complete, seconds for the marker to live.
for i = 4, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[1] then
    redis.call('DEL', KEYS[i])
  end
end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1], KEYS[2])
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[3], ARGV[2], 'EX', ARGV[3])
end
return 1
