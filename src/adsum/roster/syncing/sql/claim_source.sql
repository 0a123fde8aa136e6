-- Claims a source for one sync, unless another process has claimed it until after `now`. Returns a row if it did.
-- Locks the row of the source.
INSERT INTO roster_sources (url, claim, claimed_until, tried_at)
VALUES (:url, :claim, :claimed_until, :now)
ON CONFLICT (url) DO UPDATE
SET claim = excluded.claim, claimed_until = excluded.claimed_until, tried_at = excluded.tried_at
WHERE roster_sources.claim IS NULL OR roster_sources.claimed_until < excluded.tried_at
RETURNING url
