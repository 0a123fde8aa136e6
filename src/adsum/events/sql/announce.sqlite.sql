-- Notes that subjects are announced on their days, and returns those that were not announced before.
-- :input_rows is a JSON array of {"day", "subject_id"}.
-- SQLite has one writer.
INSERT INTO announcements (type, day, subject_id)
SELECT :type, value ->> 'day', value ->> 'subject_id'
FROM json_each(:input_rows)
WHERE true
ORDER BY value ->> 'day', value ->> 'subject_id'
ON CONFLICT (type, day, subject_id) DO NOTHING
RETURNING day, subject_id
