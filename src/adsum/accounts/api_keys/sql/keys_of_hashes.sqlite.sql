-- Loads API keys by the hash of their secret. Runs for every request that carries a key. Locks nothing.
WITH input AS (SELECT value ->> 'hash' AS hash FROM json_each(:input_rows))
SELECT k.secret_hash, k.id, k.name, k.permissions, k.schools, k.created_at, k.revoked_at
FROM input
JOIN api_keys k ON k.secret_hash = input.hash
