-- Claims an idempotency key; returns no row if it is taken. Locks the key, and waits for a transaction that has claimed it.
INSERT INTO idempotency_keys (actor, key, body_digest, answer, created_at)
VALUES (:actor, :key, :body_digest, 'null', :created_at)
ON CONFLICT (actor, key) DO NOTHING
RETURNING key
