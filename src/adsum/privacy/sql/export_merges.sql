-- Exports the second records that were merged into the record of a student. Locks nothing.
SELECT
    m.removed,
    m.moved,
    m.resolved,
    m.merged_at,
    m.merged_role
FROM student_merges m
WHERE m.student_id = :student_id
ORDER BY m.id
