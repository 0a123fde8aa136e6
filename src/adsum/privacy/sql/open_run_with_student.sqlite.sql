-- Finds an open run that names a student: in a job of the plan, or among the records that it left unchanged.
-- Locks nothing.
SELECT r.run_id
FROM batch_runs r
WHERE r.state = 'open'
  AND (
    EXISTS (
        SELECT 1
        FROM json_each(r.plan) chunk
        JOIN json_each(chunk.value) job
        WHERE job.value ->> 'student' = :student_id
    )
    OR EXISTS (SELECT 1 FROM json_each(r.kept) kept WHERE kept.value = :student_id)
  )
LIMIT 1
