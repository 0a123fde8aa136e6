-- Exports the attendance jobs of a student that failed. Locks nothing.
SELECT
    r.learning_date,
    r.class_id,
    r.session_id,
    f.code,
    f.failed_at
FROM job_failures f
JOIN batch_runs r ON r.run_id = f.run_id
WHERE f.student_id = :student_id
ORDER BY f.failed_at
