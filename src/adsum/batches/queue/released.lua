-- Moves the position up to which the runs that ended hold no lock on this server. Reads the locks and the position in one
-- step: a failover between them could keep the new position with the old locks.
-- KEYS: position, a lock each run.
-- ARGV: the position that was read or '' if there was none, the next one, seconds to live, a run each lock.
-- Returns the numbers of the runs that hold their lock. If there is one, or the position is another one, nothing is moved.
local held = {}
for i = 2, #KEYS do
  -- A key of another type, which no script of Adsum writes, is no lock, and as a position it is overwritten.
  if redis.pcall('GET', KEYS[i]) == ARGV[i + 2] then
    held[#held + 1] = i - 1
  end
end
local position = redis.pcall('GET', KEYS[1])
if type(position) ~= 'string' then
  position = ''
end
if #held == 0 and position == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return held
