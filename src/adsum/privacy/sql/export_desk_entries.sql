-- Exports the late arrivals and early departures of a student. Locks nothing.
SELECT
    d.day,
    d.kind,
    d.time,
    d.reason,
    d.status,
    d.absence_id,
    d.runs,
    d.entered_at,
    d.entered_role,
    d.undone_at
FROM desk_entries d
WHERE d.student_id = :student_id
ORDER BY d.id
