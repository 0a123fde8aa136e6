-- Counts the failed students of runs by reason, with the time of the last failure. Locks nothing.
-- :run_ids is a JSON array of run ids. A job that a later attempt of its run has recorded does not count.
WITH run AS (
    SELECT * FROM batch_runs WHERE run_id IN (SELECT value FROM json_each(:run_ids))
),
job AS (
    SELECT r.*, entry.value ->> 'student' AS student_id, entry.value ->> 'version' AS expected_version
    FROM run r
    JOIN json_each(r.plan) chunk
    JOIN json_each(chunk.value) entry
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
    LEFT JOIN attendances a
        ON a.session_id = job.session_id AND a.learning_date = job.learning_date AND a.student_id = job.student_id
    LEFT JOIN attendance_changes c
        ON c.attendance_id = a.id AND c.version = job.expected_version + 1 AND c.run_id = job.run_id
    LEFT JOIN job_failures f ON f.run_id = job.run_id AND f.student_id = job.student_id
)
SELECT run_id, code, count(*) AS students, max(failed_at) AS last_at
FROM outcome
WHERE outcome = 'failed'
GROUP BY run_id, code
ORDER BY run_id, students DESC, code
