-- Exports the schools of a student besides the home school, each with the source id that names the student there: their
-- own, or that of a record of the school that was merged into theirs. Locks nothing.
SELECT
    schools.name AS school,
    coalesce(other.source_id, (
        SELECT min(merged.source_id)
        FROM students merged
        WHERE merged.merged_into = other.student_id AND merged.school_id = other.school_id
    )) AS sourced_id,
    other.active
FROM student_schools other
JOIN schools ON schools.id = other.school_id
WHERE other.student_id = :student_id
ORDER BY other.school_id
