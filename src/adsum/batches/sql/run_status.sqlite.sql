-- The columns of runs and the counts of their outcomes, of one moment. Locks nothing.
-- A retry includes the counts that it carries over from the run before it. :run_ids is a JSON array of run ids.
-- A stored failure takes precedence over the record of another run: a later run must not change how this one ended.
WITH run AS (
    SELECT * FROM batch_runs WHERE run_id IN (SELECT value FROM json_each(:run_ids))
),
job AS (
    SELECT r.*, entry.value ->> 'student' AS student_id, entry.value ->> 'version' AS expected_version
    FROM run r
    JOIN json_each(r.plan) chunk
    JOIN json_each(chunk.value) entry
),
base AS (
    SELECT run_id, carried_recorded, carried_skipped + json_array_length(kept) AS carried_skipped, carried_cancelled
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
    LEFT JOIN attendances a
        ON a.session_id = job.session_id AND a.learning_date = job.learning_date AND a.student_id = job.student_id
    LEFT JOIN attendance_changes c
        ON c.attendance_id = a.id AND c.version = job.expected_version + 1 AND c.run_id = job.run_id
    LEFT JOIN job_failures f ON f.run_id = job.run_id AND f.student_id = job.student_id
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
SELECT run.run_id, state, number, accepted_at, ended_at, recorded_jobs, skipped_jobs, failed_jobs, cancelled_jobs,
       undone_at, undone_jobs, not_undone_jobs,
       recorded, skipped, failed, cancelled, remaining
FROM run
JOIN tally ON tally.run_id = run.run_id
