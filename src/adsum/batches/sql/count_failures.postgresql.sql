-- Counts the failed students of runs by reason, with the time of the last failure. Locks nothing.
-- :run_ids is a JSON array of run ids. A job that a later attempt of its run has recorded does not count.
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
    SELECT job.run_id, f.code, f.failed_at,
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
SELECT run_id, code, count(*) AS students, max(failed_at) AS last_at
FROM outcome
WHERE outcome = 'failed'
GROUP BY run_id, code
ORDER BY run_id, students DESC, code
