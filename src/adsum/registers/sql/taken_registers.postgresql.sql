-- Returns the registers that are taken: each student who is enrolled on the day has a mark. A register without a student
-- is not. :input_rows is a JSON array of {"session_id", "day", "run_id"}: a register that got marks. Those in which the
-- run gave no mark to a student without one are left out; of a correction, whose run_id is null, the caller knows it.
-- Locks nothing.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(session_id bigint, day date, run_id uuid)
),
register AS (
    SELECT DISTINCT session_id, day
    FROM input
    WHERE run_id IS NULL
        OR EXISTS (
            SELECT 1
            FROM attendances a
            WHERE a.session_id = input.session_id AND a.learning_date = input.day
                AND (
                    a.run_id = input.run_id
                    OR EXISTS (
                        SELECT 1 FROM attendance_changes c
                        WHERE c.attendance_id = a.id AND c.run_id = input.run_id AND c.old_status IS NULL
                    )
                )
        )
)
SELECT register.session_id, register.day, classes.id AS class_id, classes.school_id, count(*) AS expected
FROM register
JOIN sessions ON sessions.id = register.session_id
JOIN classes ON classes.id = sessions.class_id
JOIN enrolments e ON e.class_id = classes.id
    AND (e.begin_date IS NULL OR e.begin_date <= register.day)
    AND (e.end_date IS NULL OR e.end_date > register.day)
LEFT JOIN attendances a ON a.session_id = register.session_id AND a.learning_date = register.day
    AND a.student_id = e.student_id AND a.status IS NOT NULL
GROUP BY register.session_id, register.day, classes.id, classes.school_id
HAVING count(*) = count(a.id)
