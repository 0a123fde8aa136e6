-- Deletes all times of these sessions, before their new times are inserted.
-- Locks the rows that it deletes. `lock_schools_of_sessions` has locked their schools before.
DELETE FROM session_times
WHERE session_id IN (
    SELECT session_id FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS i (session_id bigint)
)
