-- Reads the details of registers: teachers, students without a mark, marks by status, times of the session, and
-- the newest reminder.
-- Returns one row for each input row; a list without elements is NULL. Locks nothing.
-- LATERAL with LIMIT 1: before the first ANALYZE Postgres expects few rows, and would compare each mark with each
-- enrolment.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb))
        AS i(class_id bigint, session_id bigint, day date, weekday bigint)
)
SELECT
    input.session_id,
    (
        SELECT jsonb_agg(jsonb_build_array(
            u.id, u.given_name, u.family_name, u.erased_at IS NOT NULL,
            u.email IS NOT NULL
                AND NOT (u.disabled OR (u.role = 'teacher' AND (u.left_roster OR NOT u.enabled_in_roster))),
            NOT EXISTS (
                SELECT 1
                FROM class_teachers own
                WHERE own.class_id = input.class_id AND own.user_id = u.id
                  AND (own.begin_date IS NULL OR own.begin_date <= input.day)
                  AND (own.end_date IS NULL OR own.end_date > input.day)
            )
        ))
        FROM users u
        WHERE u.id IN (
            SELECT taught.user_id
            FROM (
                SELECT t.user_id, t.class_id, CAST(NULL AS bigint) AS session_id, t.begin_date, t.end_date
                FROM class_teachers t
                UNION ALL
                SELECT c.user_id, c.class_id, c.session_id, c.begin_date, c.end_date
                FROM class_covers c
            ) taught
            WHERE taught.class_id = input.class_id
              AND (taught.begin_date IS NULL OR taught.begin_date <= input.day)
              AND (taught.end_date IS NULL OR taught.end_date > input.day)
              AND CASE WHEN taught.session_id IS NULL THEN TRUE ELSE taught.session_id = input.session_id END
        )
    ) AS teachers,
    (
        SELECT jsonb_agg(DISTINCT e.student_id)
        FROM enrolments e
        LEFT JOIN LATERAL (
            SELECT a.id
            FROM attendances a
            WHERE a.session_id = input.session_id AND a.learning_date = input.day
              AND a.student_id = e.student_id AND a.status IS NOT NULL
            LIMIT 1
        ) marked ON true
        WHERE e.class_id = input.class_id
          AND (e.begin_date IS NULL OR e.begin_date <= input.day)
          AND (e.end_date IS NULL OR e.end_date > input.day)
          AND marked.id IS NULL
    ) AS missing_students,
    (
        SELECT jsonb_agg(jsonb_build_array(counted.status, counted.students))
        FROM (
            SELECT a.status, count(*) AS students
            FROM attendances a
            CROSS JOIN LATERAL (
                SELECT e.id
                FROM enrolments e
                WHERE e.class_id = input.class_id AND e.student_id = a.student_id
                  AND (e.begin_date IS NULL OR e.begin_date <= input.day)
                  AND (e.end_date IS NULL OR e.end_date > input.day)
                LIMIT 1
            ) enrolled
            WHERE a.session_id = input.session_id AND a.learning_date = input.day AND a.status IS NOT NULL
            GROUP BY a.status
        ) counted
    ) AS status_counts,
    (
        SELECT jsonb_agg(jsonb_build_array(m.begins, m.ends))
        FROM session_times m
        WHERE m.session_id = input.session_id AND m.weekday = input.weekday
          AND (m.begin_date IS NULL OR m.begin_date <= input.day)
          AND (m.end_date IS NULL OR m.end_date > input.day)
    ) AS times,
    r.reminded_at,
    r.reminded_role,
    r.user_id,
    r.key_id
FROM input
LEFT JOIN register_reminders r ON r.id = (
    SELECT max(newest.id)
    FROM register_reminders newest
    WHERE newest.session_id = input.session_id AND newest.learning_date = input.day
)
