-- Replaces the ids of students by :kept_id, which may be null, in numbered events after the id :after. Events about runs
-- name no student. :student_ids is a JSON array. It reads these events once, without an index. SQLite has one writer.
UPDATE events
SET data = json_set(data, '$.studentId', :kept_id)
WHERE id > :after
    AND type IN (
        'attendance.corrected', 'attendance.cleared', 'student.unexplained',
        'absence.entered', 'absence.changed', 'absence.revoked'
    )
    AND data ->> 'studentId' IN (SELECT value FROM json_each(:student_ids))
