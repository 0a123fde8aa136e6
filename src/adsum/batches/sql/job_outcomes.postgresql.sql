-- The outcome of each job of slices, whatever the state of the run. The CASE expression is the definition of an
-- outcome: every other statement that needs one repeats it word for word, and a test compares them. Locks nothing.
-- A stored failure takes precedence over the record of another run: a later run must not change how this one ended.
-- :input_rows is a JSON array of slices {"run_id", "chunk", "start", "stop"}: the jobs start (inclusive) to stop
-- (exclusive) of one chunk of a run's plan.
-- LATERAL with LIMIT 1: Postgres overestimates the number of jobs in a plan, and would scan attendances,
-- attendance_changes and job_failures. A job has at most one row in each of them, so LIMIT forces one index lookup per
-- job.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(run_id uuid, chunk int, start int, stop int)
),
run AS MATERIALIZED (
    SELECT r.* FROM batch_runs r
    WHERE r.run_id IN (SELECT run_id FROM input)
    ORDER BY r.run_id
),
job AS (
    SELECT run.*,
           CAST(entry.value ->> 'student' AS bigint) AS student_id,
           CAST(entry.value ->> 'version' AS int) AS expected_version
    FROM input
    JOIN run ON run.run_id = input.run_id
    CROSS JOIN LATERAL jsonb_array_elements(run.plan -> input.chunk) WITH ORDINALITY AS entry(value, position)
    WHERE entry.position > input.start AND entry.position <= input.stop
)
SELECT job.run_id, job.student_id,
    CASE
        WHEN c.attendance_id IS NOT NULL OR (a.run_id = job.run_id AND job.expected_version IS NULL) THEN 'recorded'
        WHEN f.code = 'cancelled' THEN 'cancelled'
        WHEN f.student_id IS NOT NULL THEN 'failed'
        WHEN a.id IS NOT NULL AND (job.expected_version IS NULL OR a.version > job.expected_version) THEN 'skipped'
        WHEN job.state = 'cancelled' THEN 'cancelled'
        ELSE 'pending'
    END AS outcome
FROM job
LEFT JOIN LATERAL (
    SELECT * FROM attendances a
    WHERE a.session_id = job.session_id AND a.learning_date = job.learning_date AND a.student_id = job.student_id
    LIMIT 1
) a ON true
LEFT JOIN LATERAL (
    SELECT * FROM attendance_changes c
    WHERE c.attendance_id = a.id AND c.version = job.expected_version + 1 AND c.run_id = job.run_id
    LIMIT 1
) c ON true
LEFT JOIN LATERAL (
    SELECT * FROM job_failures f
    WHERE f.run_id = job.run_id AND f.student_id = job.student_id
    LIMIT 1
) f ON true
