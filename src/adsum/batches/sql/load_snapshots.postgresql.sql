-- The recorded state of batches, one row per batch: the newest run, the records of the session and day, and the planned
-- absences of students of the class on that day. Locks nothing.
-- The newest run is a scalar subquery, not a join: a plan that Postgres made while the table was empty would scan all
-- of it.
-- One row per batch because one object per record would dominate the cost of accepting a class that is marked again.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(
        class_id bigint, session_id bigint, learning_date date
    )
)
SELECT input.class_id, input.session_id, input.learning_date,
    (SELECT jsonb_build_array(r.number, r.run_id, r.state)
     FROM batch_runs r
     WHERE r.session_id = input.session_id AND r.learning_date = input.learning_date
     ORDER BY r.number DESC LIMIT 1) AS newest_run,
    (SELECT jsonb_agg(jsonb_build_array(
         a.student_id, a.status, a.note, a.version, a.arrived_at, a.left_at,
         a.absence_id IS NOT NULL OR a.marked_role IN ('office', 'admin')))
     FROM attendances a
     WHERE a.session_id = input.session_id AND a.learning_date = input.learning_date) AS records,
    (SELECT jsonb_agg(jsonb_build_object(
         'id', b.id, 'student_id', b.student_id, 'status', b.status, 'first_day', b.first_day, 'last_day', b.last_day,
         'session_ids', b.session_ids, 'from_time', b.from_time, 'to_time', b.to_time))
     FROM absences b
     WHERE b.school_id = (SELECT c.school_id FROM classes c WHERE c.id = input.class_id)
       AND b.last_day >= input.learning_date AND b.first_day <= input.learning_date AND b.revoked_at IS NULL
       AND b.student_id IN (SELECT e.student_id FROM enrolments e WHERE e.class_id = input.class_id)) AS absences
FROM input
