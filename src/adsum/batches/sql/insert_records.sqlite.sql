-- Inserts the records of jobs of open runs, for students who are enrolled on the learning date. An existing record
-- stays.
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
           entry.value ->> 'status' AS status,
           entry.value ->> 'note' AS note,
           entry.value ->> 'arrived' AS arrived_at,
           entry.value ->> 'left' AS left_at,
           entry.value ->> 'absence' AS absence_id,
           entry.value ->> 'version' AS expected_version
    FROM input
    JOIN run ON run.run_id = input.run_id
    JOIN json_each(run.plan, '$[' || input.chunk || ']') entry
        ON entry.key >= input.start AND entry.key < input.stop
)
INSERT INTO attendances (
    school_id, class_id, session_id, learning_date, student_id, status, note, arrived_at, left_at, absence_id,
    version, marked_at, marked_role, user_id, key_id, run_id
)
SELECT job.school_id, job.class_id, job.session_id, job.learning_date, job.student_id, job.status, job.note,
       job.arrived_at, job.left_at, job.absence_id, 1, job.accepted_at, job.accepted_role, job.user_id, job.key_id,
       job.run_id
FROM job
WHERE job.expected_version IS NULL
  AND EXISTS (
      SELECT 1 FROM enrolments e
      WHERE e.class_id = job.class_id AND e.student_id = job.student_id
        AND (e.begin_date IS NULL OR e.begin_date <= job.learning_date)
        AND (e.end_date IS NULL OR e.end_date > job.learning_date)
  )
ORDER BY job.session_id, job.learning_date, job.student_id
ON CONFLICT (session_id, learning_date, student_id) DO NOTHING
