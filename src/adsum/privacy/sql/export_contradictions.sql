-- Exports the disputed marks of a student. Locks nothing.
SELECT
    d.learning_date,
    d.class_id,
    d.session_id,
    d.status,
    d.note,
    d.said_at,
    d.said_role,
    d.resolved_at
FROM contradictions d
WHERE d.student_id = :student_id
ORDER BY d.learning_date, d.session_id
