-- Records the code 'cancelled' for each job of open runs that has no outcome yet.
-- :run_ids is a JSON array of run ids.
-- A stored failure takes precedence over the record of another run: a later run must not change how this one ended.
-- SQLite has one writer.
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
    LEFT JOIN attendances a
        ON a.session_id = job.session_id AND a.learning_date = job.learning_date AND a.student_id = job.student_id
    LEFT JOIN attendance_changes c
        ON c.attendance_id = a.id AND c.version = job.expected_version + 1 AND c.run_id = job.run_id
    LEFT JOIN job_failures f ON f.run_id = job.run_id AND f.student_id = job.student_id
)
INSERT INTO job_failures (run_id, student_id, code, failed_at)
SELECT run_id, student_id, 'cancelled', :now
FROM outcome
WHERE outcome = 'pending' AND state = 'open'
ORDER BY student_id
ON CONFLICT (run_id, student_id) DO NOTHING
RETURNING student_id
