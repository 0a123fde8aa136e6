-- Everything that validating a submission needs, in one statement: the school and its calendar, the session with its
-- fence and timetable, when the user teaches or covers it; and of state_day, if it is given, the roster and the
-- recorded state of the batch: the newest run, the records, and the planned absences of students of the class.
-- One statement because accepting a class is mostly waiting for round trips, and because the fence and the state are
-- then of one moment. Locks nothing.
-- One row per batch because one object per record would dominate the cost of accepting a class that is marked again.
-- Scalar subqueries, not joins: a plan that Postgres made while a table was empty would scan all of it.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(
        class_id bigint, session_id bigint, user_id bigint, first_day date, last_day date, state_day date
    )
),
context AS MATERIALIZED (
    SELECT input.*,
        (SELECT c.school_id FROM classes c WHERE c.id = input.class_id) AS school_id,
        (SELECT s.turn FROM sessions s WHERE s.id = input.session_id AND s.class_id = input.class_id) AS fence
    FROM input
)
SELECT x.class_id, x.session_id, x.user_id, x.school_id,
    (SELECT s.time_zone FROM schools s WHERE s.id = x.school_id) AS time_zone,
    (SELECT s.edit_window_days FROM schools s WHERE s.id = x.school_id) AS edit_window_days,
    (SELECT s.records_from FROM schools s WHERE s.id = x.school_id) AS records_from,
    (SELECT s.weekdays FROM schools s WHERE s.id = x.school_id) AS weekdays,
    x.fence,
    (SELECT jsonb_agg(jsonb_build_array(t.begin_date, t.end_date))
     FROM class_teachers t
     WHERE t.user_id = x.user_id AND t.class_id = x.class_id) AS taught,
    (SELECT jsonb_agg(jsonb_build_array(v.begin_date, v.end_date))
     FROM class_covers v
     WHERE v.user_id = x.user_id AND v.class_id = x.class_id
       AND (v.session_id IS NULL OR v.session_id = x.session_id)) AS covered,
    x.first_day, x.last_day, x.state_day,
    (SELECT jsonb_agg(jsonb_build_array(d.day, d.reason, d.from_time))
     FROM closed_days d
     WHERE d.school_id = x.school_id AND d.day BETWEEN x.first_day AND x.last_day) AS closed,
    (SELECT e.school_id FROM terms e WHERE e.school_id = x.school_id AND e.opens_school LIMIT 1)
        IS NOT NULL AS has_terms,
    (SELECT jsonb_agg(jsonb_build_array(e.begin_date, e.end_date))
     FROM terms e
     WHERE e.school_id = x.school_id AND e.opens_school
       AND e.begin_date <= x.last_day AND e.end_date > x.first_day) AS terms,
    (SELECT jsonb_agg(jsonb_build_array(e.begin_date, e.end_date))
     FROM class_terms k
     JOIN terms e ON e.id = k.term_id
     WHERE k.class_id = x.class_id) AS terms_of_class,
    (SELECT jsonb_agg(jsonb_build_array(m.weekday, m.begins, m.ends, m.begin_date, m.end_date))
     FROM session_times m
     WHERE m.session_id = x.session_id AND x.fence IS NOT NULL) AS times,
    (SELECT jsonb_build_array(s.begin_date, s.end_date)
     FROM sessions s
     WHERE s.id = x.session_id AND x.fence IS NOT NULL) AS valid,
    (SELECT jsonb_agg(jsonb_build_array(g.begin_date, g.end_date))
     FROM session_gaps g
     WHERE g.session_id = x.session_id AND x.fence IS NOT NULL) AS gaps,
    (SELECT jsonb_agg(DISTINCT e.student_id)
     FROM enrolments e
     WHERE x.state_day IS NOT NULL AND e.class_id = x.class_id
       AND (e.begin_date IS NULL OR e.begin_date <= x.state_day)
       AND (e.end_date IS NULL OR e.end_date > x.state_day)) AS students,
    (SELECT jsonb_build_array(r.number, r.run_id, r.state)
     FROM batch_runs r
     WHERE x.state_day IS NOT NULL AND r.session_id = x.session_id AND r.learning_date = x.state_day
     ORDER BY r.number DESC LIMIT 1) AS newest_run,
    (SELECT jsonb_agg(jsonb_build_array(
         a.student_id, a.status, a.note, a.version, a.arrived_at, a.left_at,
         a.absence_id IS NOT NULL OR a.marked_role IN ('office', 'admin')))
     FROM attendances a
     WHERE x.state_day IS NOT NULL AND a.session_id = x.session_id AND a.learning_date = x.state_day) AS records,
    (SELECT jsonb_agg(jsonb_build_object(
         'id', b.id, 'student_id', b.student_id, 'status', b.status, 'first_day', b.first_day, 'last_day', b.last_day,
         'session_ids', b.session_ids, 'from_time', b.from_time, 'to_time', b.to_time))
     FROM absences b
     WHERE x.state_day IS NOT NULL AND x.session_id IS NOT NULL AND b.school_id = x.school_id
       AND b.last_day >= x.state_day AND b.first_day <= x.state_day AND b.revoked_at IS NULL
       AND b.student_id IN (SELECT e.student_id FROM enrolments e WHERE e.class_id = x.class_id)) AS absences
FROM context x
WHERE x.school_id IS NOT NULL
