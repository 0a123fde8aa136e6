-- Finds the open runs that name a student: in a job of their plan, or among the records that they left unchanged.
-- Locks nothing.
SELECT r.class_id, r.session_id, r.learning_date
FROM batch_runs r
WHERE r.state = 'open'
  AND (
    r.plan @> jsonb_build_array(jsonb_build_array(jsonb_build_object('student', CAST(:student_id AS bigint))))
    OR r.kept @> to_jsonb(CAST(:student_id AS bigint))
  )
ORDER BY r.run_id
