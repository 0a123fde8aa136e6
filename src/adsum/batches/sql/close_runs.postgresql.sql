-- Ends open runs whose every job has an outcome, and stores their final counts: one conditional UPDATE, which only one
-- caller wins. :state is 'closed', or 'cancelled' after `cancel_jobs`. Returns the final counts of the runs that it
-- ended. A retry includes the counts that it carries over from the run before it. :run_ids is a JSON array of run ids.
-- A stored failure takes precedence over the record of another run: a later run must not change how this one ended.
-- Locks: the updated runs, which `lock_runs` has locked in the order of run_id before.
-- LATERAL with LIMIT 1 forces one index lookup per run and per job. Otherwise Postgres would scan the tables: batch_runs
-- by a plan that it made while the table was empty, and attendances, attendance_changes and job_failures because it
-- overestimates the number of jobs in a plan.
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
base AS (
    SELECT run_id, carried_recorded, carried_skipped + jsonb_array_length(kept) AS carried_skipped, carried_cancelled
    FROM run
),
outcome AS (
    SELECT job.run_id,
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
),
tally AS (
    SELECT base.run_id,
           count(*) FILTER (WHERE outcome = 'recorded') + carried_recorded AS recorded,
           count(*) FILTER (WHERE outcome = 'skipped') + carried_skipped AS skipped,
           count(*) FILTER (WHERE outcome = 'failed') AS failed,
           count(*) FILTER (WHERE outcome = 'cancelled') + carried_cancelled AS cancelled,
           count(*) FILTER (WHERE outcome = 'pending') AS remaining
    FROM base
    LEFT JOIN outcome ON outcome.run_id = base.run_id
    GROUP BY base.run_id, carried_recorded, carried_skipped, carried_cancelled
)
UPDATE batch_runs
SET state = :state, ended_at = :now, ended_by = :ended_by, recorded_jobs = tally.recorded,
    skipped_jobs = tally.skipped, failed_jobs = tally.failed, cancelled_jobs = tally.cancelled
FROM tally
WHERE batch_runs.run_id = tally.run_id AND state = 'open' AND tally.remaining = 0
RETURNING batch_runs.run_id, recorded_jobs, skipped_jobs, failed_jobs, cancelled_jobs
