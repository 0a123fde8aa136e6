-- Increments the fences of sessions (column `turn`) and returns the new values.
-- SQLite has one writer.
WITH input AS (
    SELECT value ->> 'session_id' AS session_id
    FROM json_each(:input_rows)
),
locked AS (
    SELECT s.id FROM sessions s WHERE s.id IN (SELECT session_id FROM input)
)
UPDATE sessions SET turn = sessions.turn + 1
FROM locked
WHERE sessions.id = locked.id
RETURNING sessions.id, sessions.turn
