-- Loads the runs that name a student: in a job of the plan, or among the records that the run left unchanged.
-- Locks nothing.
SELECT r.run_id, r.learning_date, r.class_id, r.session_id, r.accepted_at, r.plan, r.kept
FROM batch_runs r
WHERE EXISTS (
    SELECT 1
    FROM json_each(r.plan) chunk
    JOIN json_each(chunk.value) job
    WHERE job.value ->> 'student' = :student_id
)
   OR EXISTS (SELECT 1 FROM json_each(r.kept) kept WHERE kept.value = :student_id)
ORDER BY r.run_id
