-- Makes new sessions valid since ever where their class starts with them: no other session of the class has a begin or
-- an end, and nothing was ever submitted for any. Locks the rows that it updates.
WITH input AS (
    SELECT session_id FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS i (session_id bigint)
)
UPDATE sessions SET begin_date = NULL
FROM input
WHERE sessions.id = input.session_id
  AND NOT EXISTS (
      SELECT 1
      FROM sessions other
      WHERE other.class_id = sessions.class_id
        AND (other.begin_date IS NOT NULL OR other.end_date IS NOT NULL)
        AND other.id NOT IN (SELECT session_id FROM input)
  )
  AND NOT EXISTS (
      SELECT 1
      FROM sessions other
      JOIN batch_runs r ON r.session_id = other.id
      WHERE other.class_id = sessions.class_id
  )
