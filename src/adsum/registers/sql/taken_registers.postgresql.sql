-- Returns which of these registers are taken: each student who is enrolled on the day has a mark. A register without a
-- student is not. :input_rows is a JSON array of {"session_id", "day"}. Locks nothing.
SELECT input.session_id, input.day, classes.id AS class_id, classes.school_id, count(*) AS expected
FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS input(session_id bigint, day date)
JOIN sessions ON sessions.id = input.session_id
JOIN classes ON classes.id = sessions.class_id
JOIN enrolments e ON e.class_id = classes.id
    AND (e.begin_date IS NULL OR e.begin_date <= input.day)
    AND (e.end_date IS NULL OR e.end_date > input.day)
LEFT JOIN attendances a ON a.session_id = input.session_id AND a.learning_date = input.day
    AND a.student_id = e.student_id AND a.status IS NOT NULL
GROUP BY input.session_id, input.day, classes.id, classes.school_id
HAVING count(*) = count(a.id)
