-- The schools of these sessions. Locks nothing, since SQLite has one writer at a time.
SELECT id
FROM schools
WHERE id IN (
    SELECT classes.school_id
    FROM classes
    JOIN sessions ON sessions.class_id = classes.id
    WHERE sessions.id IN (SELECT value ->> 'session_id' FROM json_each(:input_rows))
)
