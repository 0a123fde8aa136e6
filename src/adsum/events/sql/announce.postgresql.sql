-- Notes that subjects are announced on their days, and returns those that were not announced before.
-- :input_rows is a JSON array of {"day", "subject_id"}.
-- Locks: the inserted rows in the order of their key; waits for a transaction that inserts the same.
INSERT INTO announcements (type, day, subject_id)
SELECT CAST(:type AS text), rows.day, rows.subject_id
FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(day date, subject_id bigint)
WHERE true
ORDER BY rows.day, rows.subject_id
ON CONFLICT (type, day, subject_id) DO NOTHING
RETURNING day, subject_id
