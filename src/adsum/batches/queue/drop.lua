-- Drops keys that still hold what was seen in them: compare and delete, each by itself.
-- KEYS: the keys.  ARGV: what each held.  Returns how many were dropped.
local dropped = 0
for i = 1, #KEYS do
  if redis.call('GET', KEYS[i]) == ARGV[i] then
    redis.call('DEL', KEYS[i])
    dropped = dropped + 1
  end
end
return dropped
