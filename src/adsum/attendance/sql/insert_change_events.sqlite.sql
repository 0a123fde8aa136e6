-- Writes an event for the newest change of each record in :record_ids, a JSON array. The caller has just made these
-- changes in this transaction. SQLite has one writer.
INSERT INTO new_events (type, school_id, occurred_at, data)
SELECT CASE WHEN c.new_status IS NULL THEN 'attendance.cleared' ELSE 'attendance.corrected' END,
       a.school_id, c.changed_at,
       json_object(
           'attendanceId', a.id, 'studentId', a.student_id, 'classId', a.class_id, 'sessionId', a.session_id,
           'learningDate', a.learning_date, 'status', c.new_status, 'previousStatus', c.old_status,
           'version', c.version)
FROM attendances a
JOIN attendance_changes c ON c.attendance_id = a.id AND c.version = a.version
WHERE a.id IN (SELECT value FROM json_each(:record_ids))
ORDER BY a.id
