-- Writes an event for the newest change of each record in :record_ids, a JSON array. The caller has just made these
-- changes in this transaction. Locks nothing new.
INSERT INTO new_events (type, school_id, occurred_at, data)
SELECT CASE WHEN c.new_status IS NULL THEN 'attendance.cleared' ELSE 'attendance.corrected' END,
       a.school_id, c.changed_at,
       jsonb_build_object(
           'attendanceId', a.id, 'studentId', a.student_id, 'classId', a.class_id, 'sessionId', a.session_id,
           'learningDate', a.learning_date, 'status', c.new_status, 'previousStatus', c.old_status,
           'version', c.version)
FROM attendances a
JOIN attendance_changes c ON c.attendance_id = a.id AND c.version = a.version
WHERE a.id IN (SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(CAST(:record_ids AS jsonb)) AS value)
ORDER BY a.id
