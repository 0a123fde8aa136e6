-- Replaces the ids of students by :kept_id, which may be null, in numbered events after the id :after. Events about runs
-- name no student. :student_ids and :types, the types that do, are JSON arrays. It reads these events once, without an
-- index. SQLite has one writer.
UPDATE events
SET data = json_set(data, '$.studentId', :kept_id)
WHERE id > :after
    AND type IN (SELECT value FROM json_each(:types))
    AND data ->> 'studentId' IN (SELECT value FROM json_each(:student_ids))
