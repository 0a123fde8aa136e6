-- Replaces the ids of students by :kept_id, which may be null, in events that have no number yet: those of the last
-- moments, which are few. Events about runs name no student. :student_ids is a JSON array. SQLite has one writer.
UPDATE new_events
SET data = json_set(data, '$.studentId', :kept_id)
WHERE data ->> 'studentId' IN (SELECT value FROM json_each(:student_ids))
