-- The students who are enrolled in each given class on its day. Locks nothing.
-- A scalar subquery per class: with a join, Postgres overestimates `input` and reads every enrolment.
WITH input AS (
    SELECT * FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS i (class_id bigint, day date)
)
SELECT input.class_id, input.day,
    (
        SELECT jsonb_agg(DISTINCT e.student_id)
        FROM enrolments e
        WHERE e.class_id = input.class_id
            AND (e.begin_date IS NULL OR e.begin_date <= input.day)
            AND (e.end_date IS NULL OR e.end_date > input.day)
    ) AS students
FROM input
