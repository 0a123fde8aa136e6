-- Exports the holds on the data of a student. Locks nothing.
SELECT
    h.reason,
    h.reference,
    h.placed_at,
    h.placed_role,
    h.lifted_at,
    h.lifted_role
FROM student_holds h
WHERE h.student_id = :student_id
ORDER BY h.id
