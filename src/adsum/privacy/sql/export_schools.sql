-- Exports the schools of a student besides the home school. Locks nothing.
SELECT
    schools.name AS school,
    other.active
FROM student_schools other
JOIN schools ON schools.id = other.school_id
WHERE other.student_id = :student_id
ORDER BY other.school_id
