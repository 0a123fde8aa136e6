-- Exports the planned absences of a student, revoked ones too. Locks nothing.
SELECT
    b.id,
    b.first_day,
    b.last_day,
    b.session_ids,
    b.from_time,
    b.to_time,
    b.status,
    b.reason,
    b.version,
    b.revoked_at
FROM absences b
WHERE b.student_id = :student_id
ORDER BY b.first_day, b.id
