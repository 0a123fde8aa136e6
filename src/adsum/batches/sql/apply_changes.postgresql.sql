-- Updates the records of jobs of open runs to the changes that `insert_changes` inserted, in the same transaction.
-- Locks nothing new: `insert_changes` has locked the runs and the records.
-- :input_rows is a JSON array of slices {"run_id", "chunk", "start", "stop"}: the jobs start (inclusive) to stop
-- (exclusive) of one chunk of a run's plan.
-- LATERAL with LIMIT 1 looks one record and one change up for each job, whatever the statistics say.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(run_id uuid, chunk int, start int, stop int)
),
run AS MATERIALIZED (
    SELECT r.* FROM batch_runs r
    WHERE r.run_id IN (SELECT run_id FROM input) AND r.state = 'open'
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
),
change AS MATERIALIZED (
    SELECT c.*, a.learning_date AS day
    FROM job
    CROSS JOIN LATERAL (
        SELECT id, learning_date FROM attendances
        WHERE session_id = job.session_id AND learning_date = job.learning_date AND student_id = job.student_id
        LIMIT 1
    ) a
    CROSS JOIN LATERAL (
        SELECT * FROM attendance_changes
        WHERE attendance_id = a.id AND version = job.expected_version + 1 AND run_id = job.run_id
        LIMIT 1
    ) c
    WHERE job.expected_version IS NOT NULL
)
UPDATE attendances
SET status = change.new_status, note = change.new_note, arrived_at = change.new_arrived_at,
    left_at = change.new_left_at, absence_id = change.absence_id, version = change.version,
    marked_at = change.changed_at, marked_role = change.changed_role, user_id = change.user_id, key_id = change.key_id
FROM change
WHERE attendances.id = change.attendance_id AND attendances.learning_date = change.day
  AND attendances.version = change.version - 1
