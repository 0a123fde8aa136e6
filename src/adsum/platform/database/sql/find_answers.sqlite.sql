-- The stored answers of idempotency keys. Locks nothing.
WITH input AS (
    SELECT value ->> 'actor' AS actor, value ->> 'key' AS key
    FROM json_each(:input_rows)
)
SELECT k.actor, k.key, k.body_digest, k.answer
FROM input
JOIN idempotency_keys k ON k.actor = input.actor AND k.key = input.key
