-- The stored answers of idempotency keys. Locks nothing.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(
        actor text, key text
    )
)
SELECT k.actor, k.key, k.body_digest, k.answer
FROM input
JOIN idempotency_keys k ON k.actor = input.actor AND k.key = input.key
