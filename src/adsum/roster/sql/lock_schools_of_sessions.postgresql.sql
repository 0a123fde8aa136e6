-- Locks the schools of these sessions, in the order of their ids, as `lock_school` does: other transactions neither
-- replace times of their sessions nor summarise records until this transaction ends.
SELECT id
FROM schools
WHERE id IN (
    SELECT classes.school_id
    FROM classes
    JOIN sessions ON sessions.class_id = classes.id
    WHERE sessions.id IN (
        SELECT session_id FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS i (session_id bigint)
    )
)
ORDER BY id
FOR NO KEY UPDATE
