-- Inserts a change for each job of open runs that updates a record, where the record still has the version that the
-- plan expects: so a late chunk cannot undo a correction. `apply_changes` then updates the records.
-- A mark without a note keeps the note of the record, unless the record was cleared. Times of arrival and departure
-- belong to the status: a new status without times removes them.
-- :input_rows is a JSON array of slices {"run_id", "chunk", "start", "stop"}: the jobs start (inclusive) to stop
-- (exclusive) of one chunk of a run's plan.
-- Locks: the open runs FOR SHARE in the order of run_id, then the records FOR UPDATE in the order of id.
-- LATERAL, and a scalar subquery with LIMIT 1, look one record and one enrolment up for each job. Until Postgres has
-- statistics, it would join each job with all those of the class; `+ 0` keeps it from reading all enrolments of the class.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(run_id uuid, chunk int, start int, stop int)
),
run AS MATERIALIZED (
    SELECT r.* FROM batch_runs r
    WHERE r.run_id IN (SELECT run_id FROM input) AND r.state = 'open'
    ORDER BY r.run_id
    FOR SHARE
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
found AS MATERIALIZED (
    SELECT job.*, a.id
    FROM job
    CROSS JOIN LATERAL (
        SELECT id, version FROM attendances
        WHERE session_id = job.session_id AND learning_date = job.learning_date AND student_id = job.student_id
        LIMIT 1
    ) a
    WHERE job.expected_version IS NOT NULL AND a.version = job.expected_version
      AND (
          SELECT true FROM enrolments e
          WHERE e.student_id = job.student_id AND e.class_id + 0 = job.class_id
            AND (e.begin_date IS NULL OR e.begin_date <= job.learning_date)
            AND (e.end_date IS NULL OR e.end_date > job.learning_date)
          LIMIT 1
      )
    ORDER BY a.id
),
due AS (
    SELECT a.id, a.learning_date, a.version, a.status AS old_status, a.note AS old_note, a.arrived_at AS old_arrived_at,
           a.left_at AS old_left_at, found.status,
           coalesce(found.note, CASE WHEN a.status IS NOT NULL THEN a.note END) AS note,
           coalesce(found.arrived_at, CASE WHEN a.status = found.status THEN a.arrived_at END) AS arrived_at,
           coalesce(found.left_at, CASE WHEN a.status = found.status THEN a.left_at END) AS left_at,
           found.absence_id, found.accepted_at, found.accepted_role, found.user_id, found.key_id, found.run_id
    FROM found
    CROSS JOIN LATERAL (
        SELECT * FROM attendances
        WHERE id = found.id AND learning_date = found.learning_date AND version = found.expected_version
        FOR UPDATE
    ) a
)
INSERT INTO attendance_changes (
    attendance_id, version, old_status, new_status, old_note, new_note, old_arrived_at, new_arrived_at, old_left_at,
    new_left_at, absence_id, changed_at, changed_role, user_id, key_id, run_id, learning_date
)
SELECT id, version + 1, old_status, status, old_note, note, old_arrived_at, arrived_at, old_left_at, left_at,
       absence_id, accepted_at, accepted_role, user_id, key_id, run_id, learning_date
FROM due
WHERE true
ON CONFLICT DO NOTHING
