-- Makes the key of tombstones, unless there is one. Locks the row that it inserts, until the transaction ends.
INSERT INTO tombstone_key (number, secret)
VALUES (1, :secret)
ON CONFLICT (number) DO NOTHING
RETURNING number
