-- Loads the runs that name a student: in a job of the plan, or among the records that the run left unchanged.
-- Locks nothing.
SELECT r.run_id, r.learning_date, r.class_id, r.session_id, r.accepted_at, r.plan, r.kept
FROM batch_runs r
WHERE r.plan @> jsonb_build_array(jsonb_build_array(jsonb_build_object('student', CAST(:student_id AS bigint))))
   OR r.kept @> to_jsonb(CAST(:student_id AS bigint))
ORDER BY r.run_id
