-- Writes an event for the newest change of each record in :record_ids, a JSON array. The caller has just made these
-- changes in this transaction. Locks nothing new.
-- LATERAL with LIMIT 1 looks one record and one change up for each id, whatever the statistics say.
INSERT INTO new_events (type, school_id, occurred_at, data)
SELECT CASE WHEN c.new_status IS NULL THEN 'attendance.cleared' ELSE 'attendance.corrected' END,
       a.school_id, c.changed_at,
       jsonb_build_object(
           'attendanceId', a.id, 'studentId', a.student_id, 'classId', a.class_id, 'sessionId', a.session_id,
           'learningDate', a.learning_date, 'status', c.new_status, 'previousStatus', c.old_status,
           'version', c.version)
FROM (
    SELECT DISTINCT CAST(value AS bigint) AS id FROM jsonb_array_elements_text(CAST(:record_ids AS jsonb)) AS value
) requested
CROSS JOIN LATERAL (SELECT * FROM attendances WHERE id = requested.id LIMIT 1) a
CROSS JOIN LATERAL (SELECT * FROM attendance_changes WHERE attendance_id = a.id AND version = a.version LIMIT 1) c
ORDER BY a.id
