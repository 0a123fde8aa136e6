-- Records the code 'cancelled' for each job of open runs that has no outcome yet.
-- :run_ids is a JSON array of run ids.
-- A stored failure takes precedence over the record of another run: a later run must not change how this one ended.
-- Locks: the inserted rows in the order of student_id. `lock_runs` has locked the runs before.
-- Each run is looked up by LATERAL with LIMIT 1: a plan that Postgres made while the table was empty would scan all of
-- it.
-- LATERAL with LIMIT 1: Postgres overestimates the number of jobs in a plan, and would scan attendances,
-- attendance_changes and job_failures. A job has at most one row in each of them, so LIMIT forces one index lookup per
-- job.
WITH run AS (
    SELECT r.*
    FROM (
        SELECT DISTINCT CAST(value AS uuid) AS run_id
        FROM jsonb_array_elements_text(CAST(:run_ids AS jsonb)) AS value
    ) requested
    CROSS JOIN LATERAL (SELECT * FROM batch_runs WHERE run_id = requested.run_id LIMIT 1) r
),
job AS (
    SELECT r.*,
           CAST(entry.value ->> 'student' AS bigint) AS student_id,
           CAST(entry.value ->> 'version' AS int) AS expected_version
    FROM run r
    CROSS JOIN LATERAL jsonb_array_elements(r.plan) AS chunk(value)
    CROSS JOIN LATERAL jsonb_array_elements(chunk.value) AS entry(value)
),
outcome AS (
    SELECT job.run_id, job.state, job.student_id,
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
)
INSERT INTO job_failures (run_id, student_id, code, failed_at)
SELECT run_id, student_id, 'cancelled', :now
FROM outcome
WHERE outcome = 'pending' AND state = 'open'
ORDER BY student_id
ON CONFLICT (run_id, student_id) DO NOTHING
RETURNING student_id
