-- Inserts the records of jobs of open runs as `insert_records` does, and closes each run whose jobs are all recorded by
-- it.
-- Postgres only: SQLite has no CTEs that insert or update.
-- Returns one row per run of which it inserted a record: the students, the number of jobs of the slices that remain,
-- the number of jobs of the run, and the final counts if the run is closed.
-- A run is closed without counting: a record never disappears and never changes its run, so "all jobs recorded" is
-- final. Of each closed run it writes the event that `insert_end_events` writes.
-- Locks: the open runs FOR NO KEY UPDATE in the order of run_id, since some of them are updated: with a shared lock,
-- two workers that process the same run would deadlock. Then the inserted rows in the order of their unique key.
-- :input_rows is a JSON array of slices {"run_id", "chunk", "start", "stop"}: the jobs start (inclusive) to stop
-- (exclusive) of one chunk of a run's plan.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(run_id uuid, chunk int, start int, stop int)
),
run AS MATERIALIZED (
    SELECT r.* FROM batch_runs r
    WHERE r.run_id IN (SELECT run_id FROM input) AND r.state = 'open'
    ORDER BY r.run_id
    FOR NO KEY UPDATE
),
job AS (
    SELECT run.*,
           CAST(entry.value ->> 'student' AS bigint) AS student_id,
           entry.value ->> 'status' AS status,
           entry.value ->> 'note' AS note,
           entry.value ->> 'arrived' AS arrived_at,
           entry.value ->> 'left' AS left_at,
           CAST(entry.value ->> 'absence' AS bigint) AS absence_id,
           CAST(entry.value ->> 'version' AS int) AS expected_version
    FROM input
    JOIN run ON run.run_id = input.run_id
    CROSS JOIN LATERAL jsonb_array_elements(run.plan -> input.chunk) WITH ORDINALITY AS entry(value, position)
    WHERE entry.position > input.start AND entry.position <= input.stop
),
inserted AS (
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
    RETURNING run_id, student_id
),
counted AS (
    SELECT run_id, jsonb_agg(student_id) AS ended, count(*) AS recorded
    FROM inserted
    GROUP BY run_id
),
sliced AS (
    SELECT input.run_id, sum(least(stop, jsonb_array_length(run.plan -> chunk)) - start) AS jobs
    FROM input
    JOIN run ON run.run_id = input.run_id
    GROUP BY input.run_id
),
recorded_run AS (
    SELECT run.run_id, run.state, run.class_id, run.session_id, run.learning_date, counted.ended, counted.recorded,
           sliced.jobs - counted.recorded AS pending,
           run.total_jobs - run.carried_recorded - run.carried_skipped - run.carried_cancelled
           - jsonb_array_length(run.kept) AS planned
    FROM counted
    JOIN run ON run.run_id = counted.run_id
    JOIN sliced ON sliced.run_id = counted.run_id
),
closed AS (
    UPDATE batch_runs
    SET state = 'closed', ended_at = :now, ended_by = :ended_by, failed_jobs = 0, cancelled_jobs = carried_cancelled,
        skipped_jobs = carried_skipped + jsonb_array_length(kept),
        recorded_jobs = total_jobs - carried_skipped - jsonb_array_length(kept) - carried_cancelled
    FROM recorded_run
    WHERE batch_runs.run_id = recorded_run.run_id AND recorded = planned AND batch_runs.state = 'open'
    RETURNING batch_runs.run_id, school_id, recorded_jobs, skipped_jobs, failed_jobs, cancelled_jobs
),
event AS (
    INSERT INTO new_events (type, school_id, occurred_at, run_id)
    SELECT 'batch.completed', school_id, :now, run_id FROM closed
)
SELECT recorded_run.*, closed.recorded_jobs, closed.skipped_jobs, closed.failed_jobs, closed.cancelled_jobs
FROM recorded_run
LEFT JOIN closed ON closed.run_id = recorded_run.run_id
