-- Finds the open runs that name a student: in a job of their plan, or among the records that they left unchanged.
-- Locks nothing.
SELECT r.class_id, r.session_id, r.learning_date
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
ORDER BY r.run_id
