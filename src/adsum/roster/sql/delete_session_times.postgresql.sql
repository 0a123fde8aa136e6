-- Deletes all times of these sessions, before their new times are inserted. Their schools are locked.
DELETE FROM session_times
WHERE session_id IN (
    SELECT session_id FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS i (session_id bigint)
)
