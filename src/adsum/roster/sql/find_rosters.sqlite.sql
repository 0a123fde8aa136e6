-- The students who are enrolled in each given class on its day. Locks nothing.
WITH input AS (
    SELECT value ->> 'class_id' AS class_id, value ->> 'day' AS day FROM json_each(:input_rows)
)
SELECT input.class_id, input.day,
    (
        SELECT json_group_array(DISTINCT e.student_id)
        FROM enrolments e
        WHERE e.class_id = input.class_id
            AND (e.begin_date IS NULL OR e.begin_date <= input.day)
            AND (e.end_date IS NULL OR e.end_date > input.day)
    ) AS students
FROM input
