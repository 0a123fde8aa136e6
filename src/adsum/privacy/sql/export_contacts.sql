-- Exports the calls about unexplained absences of a student. Locks nothing.
SELECT
    c.day,
    c.result,
    c.person,
    c.note,
    c.contacted_at,
    c.contacted_role
FROM absence_contacts c
WHERE c.student_id = :student_id
ORDER BY c.id
