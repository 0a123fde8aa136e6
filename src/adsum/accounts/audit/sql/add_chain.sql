-- Adds the state of an empty chain, unless another transaction has. Waits for one that does, and locks the new row.
INSERT INTO audit_chain (number, position, hash, pruned_position, pruned_hash, logged_position)
VALUES (1, 0, :hash, 0, :hash, 0)
ON CONFLICT (number) DO NOTHING
