-- Replaces the ids of students in numbered events by :kept_id, which may be
-- null, also those of records merged into them. Events about runs name no student. :student_ids is a JSON array. SQLite has one writer.
UPDATE events
SET data = json_set(data, '$.studentId', :kept_id)
WHERE type IN (
        'attendance.corrected', 'attendance.cleared', 'student.unexplained',
        'absence.entered', 'absence.changed', 'absence.revoked'
    )
    AND data ->> 'studentId' IN (
        SELECT s.id
        FROM students s
        JOIN json_each(:student_ids) AS erased ON erased.value IN (s.id, s.merged_into)
    )
