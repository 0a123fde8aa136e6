-- Records a failure, with the code :code, for each job of open runs that has no outcome yet.
-- A stored failure takes precedence over the record of another run: a later run must not change how this one ended.
-- :input_rows is a JSON array of slices {"run_id", "chunk", "start", "stop"}: the jobs start (inclusive) to stop
-- (exclusive) of one chunk of a run's plan. SQLite has one writer.
WITH input AS (
    SELECT value ->> 'run_id' AS run_id, value ->> 'chunk' AS chunk, value ->> 'start' AS start,
           value ->> 'stop' AS stop
    FROM json_each(:input_rows)
),
run AS (
    SELECT r.* FROM batch_runs r
    WHERE r.run_id IN (SELECT run_id FROM input) AND r.state = 'open'
),
job AS (
    SELECT run.*,
           entry.value ->> 'student' AS student_id,
           entry.value ->> 'version' AS expected_version
    FROM input
    JOIN run ON run.run_id = input.run_id
    JOIN json_each(run.plan, '$[' || input.chunk || ']') entry
        ON entry.key >= input.start AND entry.key < input.stop
),
outcome AS (
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
    LEFT JOIN attendances a
        ON a.session_id = job.session_id AND a.learning_date = job.learning_date AND a.student_id = job.student_id
    LEFT JOIN attendance_changes c
        ON c.attendance_id = a.id AND c.version = job.expected_version + 1 AND c.run_id = job.run_id
    LEFT JOIN job_failures f ON f.run_id = job.run_id AND f.student_id = job.student_id
)
INSERT INTO job_failures (run_id, student_id, code, failed_at)
SELECT run_id, student_id, :code, :now
FROM outcome
WHERE outcome = 'pending'
ORDER BY run_id, student_id
ON CONFLICT (run_id, student_id) DO NOTHING
