-- Adds the only row of `event_log`, unless another transaction has added it.
-- Locks: waits for such a transaction to end.
INSERT INTO event_log (number, last_id, pruned_id)
VALUES (1, 0, 0)
ON CONFLICT (number) DO NOTHING
