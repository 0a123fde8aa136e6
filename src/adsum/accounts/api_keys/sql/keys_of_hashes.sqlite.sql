-- Loads API keys by the hash of their secret, or of a former one. Runs for every request that carries a key. Locks nothing.
WITH input AS (SELECT value ->> 'hash' AS hash FROM json_each(:input_rows))
SELECT
  k.secret_hash, k.id, k.permissions, k.schools, k.networks, k.expires_at, k.revoked_at,
  NULL AS secret_ends_at, k.last_used_at
FROM input
JOIN api_keys k ON k.secret_hash = input.hash
UNION ALL
SELECT
  s.secret_hash, k.id, k.permissions, k.schools, k.networks, k.expires_at, k.revoked_at,
  s.ends_at AS secret_ends_at, s.last_used_at
FROM input
JOIN former_secrets s ON s.secret_hash = input.hash
JOIN api_keys k ON k.id = s.api_key_id
