-- Everything that validating a submission needs, in one statement: the school and its calendar, the session with its
-- fence and timetable, when the user teaches or covers it, and the roster of the day if exactly one day is requested.
-- Locks nothing.
WITH input AS (
    SELECT value ->> 'class_id' AS class_id, value ->> 'session_id' AS session_id, value ->> 'user_id' AS user_id,
           value ->> 'first_day' AS first_day, value ->> 'last_day' AS last_day
    FROM json_each(:input_rows)
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
    (SELECT json_group_array(json_array(t.begin_date, t.end_date))
     FROM class_teachers t
     WHERE t.user_id = x.user_id AND t.class_id = x.class_id) AS taught,
    (SELECT json_group_array(json_array(v.begin_date, v.end_date))
     FROM class_covers v
     WHERE v.user_id = x.user_id AND v.class_id = x.class_id
       AND (v.session_id IS NULL OR v.session_id = x.session_id)) AS covered,
    x.first_day, x.last_day,
    (SELECT json_group_array(json_array(d.day, d.reason, d.from_time))
     FROM closed_days d
     WHERE d.school_id = x.school_id AND d.day BETWEEN x.first_day AND x.last_day) AS closed,
    (SELECT e.school_id FROM terms e WHERE e.school_id = x.school_id AND e.opens_school LIMIT 1)
        IS NOT NULL AS has_terms,
    (SELECT json_group_array(json_array(e.begin_date, e.end_date))
     FROM terms e
     WHERE e.school_id = x.school_id AND e.opens_school
       AND e.begin_date <= x.last_day AND e.end_date > x.first_day) AS terms,
    (SELECT json_group_array(json_array(e.begin_date, e.end_date))
     FROM class_terms k
     JOIN terms e ON e.id = k.term_id
     WHERE k.class_id = x.class_id) AS terms_of_class,
    (SELECT json_group_array(json_array(m.weekday, m.begins, m.ends, m.begin_date, m.end_date))
     FROM session_times m
     WHERE m.session_id = x.session_id AND x.fence IS NOT NULL) AS times,
    (SELECT json_array(s.begin_date, s.end_date)
     FROM sessions s
     WHERE s.id = x.session_id AND x.fence IS NOT NULL) AS valid,
    (SELECT json_group_array(json_array(g.begin_date, g.end_date))
     FROM session_gaps g
     WHERE g.session_id = x.session_id AND x.fence IS NOT NULL) AS gaps,
    (SELECT json_group_array(DISTINCT e.student_id)
     FROM enrolments e
     WHERE x.first_day = x.last_day AND e.class_id = x.class_id
       AND (e.begin_date IS NULL OR e.begin_date <= x.first_day)
       AND (e.end_date IS NULL OR e.end_date > x.first_day)) AS students
FROM context x
WHERE x.school_id IS NOT NULL
