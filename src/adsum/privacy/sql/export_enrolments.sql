-- Exports the enrolments of a student. Locks nothing.
SELECT
    e.class_id,
    c.title AS class_title,
    e.source_id AS sourced_id,
    e.begin_date,
    e.end_date
FROM enrolments e
JOIN classes c ON c.id = e.class_id
WHERE e.student_id = :student_id
ORDER BY e.begin_date, e.id
