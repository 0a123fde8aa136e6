-- Updates the records of jobs of open runs to the changes that `insert_changes` inserted, in the same transaction.
-- SQLite has one writer.
-- :input_rows is a JSON array of slices {"run_id", "chunk", "start", "stop"}: the jobs start (inclusive) to stop
-- (exclusive) of one chunk of a run's plan.
-- CROSS JOIN fixes the order of the joins: otherwise SQLite unfolds the plan once for each record of the class.
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
change AS MATERIALIZED (
    SELECT c.*
    FROM job
    CROSS JOIN attendances a
        ON a.session_id = job.session_id AND a.learning_date = job.learning_date AND a.student_id = job.student_id
    CROSS JOIN attendance_changes c
        ON c.attendance_id = a.id AND c.version = job.expected_version + 1 AND c.run_id = job.run_id
    WHERE job.expected_version IS NOT NULL
)
UPDATE attendances
SET status = change.new_status, note = change.new_note, arrived_at = change.new_arrived_at,
    left_at = change.new_left_at, absence_id = change.absence_id, version = change.version,
    marked_at = change.changed_at, marked_role = change.changed_role, user_id = change.user_id, key_id = change.key_id
FROM change
WHERE attendances.id = change.attendance_id AND attendances.version = change.version - 1
