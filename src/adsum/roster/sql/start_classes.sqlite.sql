-- Makes new sessions valid since ever where their class starts with them: no other session of the class has a begin or
-- an end, and nothing was ever submitted for any. SQLite has one writer.
WITH input AS (
    SELECT value ->> 'session_id' AS session_id FROM json_each(:input_rows)
)
UPDATE sessions SET begin_date = NULL
WHERE sessions.id IN (SELECT session_id FROM input)
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
