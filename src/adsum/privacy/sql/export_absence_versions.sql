-- Exports the versions of the planned absences of a student. Locks nothing.
SELECT
    v.absence_id,
    v.version,
    v.said AS content,
    v.changed_at,
    v.changed_role
FROM absences b
JOIN absence_versions v ON v.absence_id = b.id
WHERE b.student_id = :student_id
ORDER BY v.absence_id, v.version
