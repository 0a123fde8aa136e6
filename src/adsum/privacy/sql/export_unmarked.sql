-- Exports the partly taken registers in which a student has no mark, as reports count them. Locks nothing.
SELECT
    u.day,
    u.class_id,
    u.session_id
FROM unmarked_students u
WHERE u.student_id = :student_id
ORDER BY u.day, u.session_id
