-- Increments the fences of sessions (column `turn`) and returns the new values.
-- Locks: the sessions FOR NO KEY UPDATE in the order of id, until the transaction ends. NO KEY, so that workers can
-- insert records of these sessions meanwhile.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(
        session_id bigint
    )
),
locked AS (
    SELECT s.*
    FROM (SELECT DISTINCT session_id FROM input ORDER BY session_id) i
    CROSS JOIN LATERAL (SELECT id FROM sessions WHERE id = i.session_id FOR NO KEY UPDATE) s
)
UPDATE sessions SET turn = sessions.turn + 1
FROM locked
WHERE sessions.id = locked.id
RETURNING sessions.id, sessions.turn
