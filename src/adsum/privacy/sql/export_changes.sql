-- Exports the changes of the attendance records of a student. Locks nothing.
SELECT
    ch.attendance_id,
    ch.version,
    ch.old_status,
    ch.old_note,
    ch.new_status,
    ch.new_note,
    ch.old_arrived_at,
    ch.new_arrived_at,
    ch.old_left_at,
    ch.new_left_at,
    ch.old_office_note,
    ch.new_office_note,
    ch.absence_id,
    ch.changed_at,
    ch.changed_role,
    ch.reason
FROM attendances a
JOIN attendance_changes ch ON ch.attendance_id = a.id
WHERE a.student_id = :student_id
ORDER BY ch.attendance_id, ch.version
