-- Reads the marks of one session and day, each with the mark that disputes it, if there is one. Omits cleared marks.
-- Locks nothing.
SELECT
    a.student_id,
    a.id,
    a.version,
    a.status,
    a.note,
    a.arrived_at,
    a.left_at,
    a.absence_id IS NOT NULL OR a.marked_role IN ('office', 'admin') AS is_offices,
    c.status AS disputed_status
FROM attendances a
LEFT JOIN contradictions c
    ON c.session_id = a.session_id AND c.learning_date = a.learning_date AND c.student_id = a.student_id
    AND c.resolved_at IS NULL
WHERE a.session_id = :session_id AND a.learning_date = :learning_date AND a.status IS NOT NULL
