-- Deletes keys that still have the given values.
-- KEYS: the keys.  ARGV: the value of each.  Returns the number of deleted keys.
local dropped = 0
for i = 1, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[i] then
    redis.call('DEL', KEYS[i])
    dropped = dropped + 1
  end
end
return dropped
