-- Deletes all times of these sessions, before their new times are inserted. SQLite has one writer.
DELETE FROM session_times
WHERE session_id IN (SELECT value ->> 'session_id' FROM json_each(:input_rows))
