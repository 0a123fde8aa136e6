-- Exports the guardians, parents and relatives whom rosters name for a student. Locks nothing.
SELECT
    schools.name AS school,
    c.source_id AS sourced_id,
    c.role,
    c.given_name,
    c.family_name,
    c.phone,
    c.sms,
    c.email
FROM student_contacts c
JOIN schools ON schools.id = c.school_id
WHERE c.student_id = :student_id
ORDER BY c.school_id, c.source_id
