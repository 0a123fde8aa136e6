-- Exports the batches to which planned absences of a student are applied when their open run ends. Locks nothing.
SELECT
    d.absence_id,
    r.learning_date,
    r.class_id,
    r.session_id
FROM absences b
JOIN due_absences d ON d.absence_id = b.id
JOIN batch_runs r ON r.run_id = d.run_id
WHERE b.student_id = :student_id
ORDER BY d.absence_id, r.run_id
