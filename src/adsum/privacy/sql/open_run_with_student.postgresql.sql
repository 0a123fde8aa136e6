-- Finds an open run that names a student: in a job of the plan, or among the records that it left unchanged.
-- Locks nothing.
SELECT r.run_id
FROM batch_runs r
WHERE r.state = 'open'
  AND (
    r.plan @> jsonb_build_array(jsonb_build_array(jsonb_build_object('student', CAST(:student_id AS bigint))))
    OR r.kept @> to_jsonb(CAST(:student_id AS bigint))
  )
LIMIT 1
