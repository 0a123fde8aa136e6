-- The first :limit students of each run who failed, by id, with the reason. Locks nothing.
-- :run_ids is a JSON array of run ids. A student whom a later attempt of the run has recorded did not fail.
SELECT run_id, student_id, code
FROM (
    SELECT f.run_id, f.student_id, f.code, row_number() OVER (PARTITION BY f.run_id ORDER BY f.student_id) AS place
    FROM job_failures f
    JOIN batch_runs r ON r.run_id = f.run_id
    LEFT JOIN attendances a
        ON a.session_id = r.session_id AND a.learning_date = r.learning_date AND a.student_id = f.student_id
    WHERE f.run_id IN (SELECT CAST(value AS uuid) FROM jsonb_array_elements_text(CAST(:run_ids AS jsonb)) AS value)
        AND f.code <> 'cancelled'
        AND (a.id IS NULL OR a.run_id IS NULL OR a.run_id <> f.run_id)
        AND NOT EXISTS (SELECT 1 FROM attendance_changes c WHERE c.attendance_id = a.id AND c.run_id = f.run_id)
) failed
WHERE place <= :limit
ORDER BY run_id, student_id
