-- Exports the attendance records of a student. Locks nothing.
SELECT
    a.id,
    a.learning_date,
    a.class_id,
    c.title AS class_title,
    a.session_id,
    s.title AS session_title,
    a.status,
    a.note,
    a.arrived_at,
    a.left_at,
    a.office_note,
    a.absence_id,
    a.version,
    a.marked_at,
    a.marked_role
FROM attendances a
JOIN classes c ON c.id = a.class_id
JOIN sessions s ON s.id = a.session_id
WHERE a.student_id = :student_id
ORDER BY a.learning_date, a.session_id
