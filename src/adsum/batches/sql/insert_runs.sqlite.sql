-- Inserts open runs, each with the next number of its batch, where nothing has changed since the submission was
-- decided: the session's fence still has the value that was read, and no other run has the number. Returns the ids of
-- those inserted.
-- Two unique indexes refuse the others: one open run per batch, and one run per batch and number.
-- SQLite has one writer.
WITH input AS (
    SELECT value ->> 'run_id' AS run_id, value ->> 'school_id' AS school_id, value ->> 'class_id' AS class_id,
           value ->> 'session_id' AS session_id, value ->> 'learning_date' AS learning_date,
           value ->> 'number' AS number, value ->> 'on_existing' AS on_existing, value ->> 'plan' AS plan,
           value ->> 'kept' AS kept, value ->> 'chunk_size' AS chunk_size,
           value ->> 'carried_recorded' AS carried_recorded, value ->> 'carried_skipped' AS carried_skipped,
           value ->> 'carried_cancelled' AS carried_cancelled, value ->> 'total_jobs' AS total_jobs,
           value ->> 'accepted_role' AS accepted_role, value ->> 'user_id' AS user_id, value ->> 'key_id' AS key_id,
           value ->> 'forced_reason' AS forced_reason, value ->> 'trace' AS trace,
           value ->> 'fence' AS fence
    FROM json_each(:input_rows)
),
unchanged AS (
    SELECT s.id, s.turn FROM sessions s WHERE s.id IN (SELECT session_id FROM input)
)
INSERT INTO batch_runs (
    run_id, school_id, class_id, session_id, learning_date, number, on_existing, plan, kept, chunk_size,
    carried_recorded, carried_skipped, carried_cancelled, total_jobs, accepted_role, user_id, key_id, forced_reason,
    trace, state, accepted_at
)
SELECT input.run_id, input.school_id, input.class_id, input.session_id, input.learning_date, input.number,
       input.on_existing, input.plan, input.kept, input.chunk_size, input.carried_recorded, input.carried_skipped,
       input.carried_cancelled, input.total_jobs, input.accepted_role, input.user_id, input.key_id,
       input.forced_reason, input.trace, 'open', :accepted_at
FROM input
JOIN unchanged ON unchanged.id = input.session_id AND unchanged.turn = input.fence
WHERE true
ORDER BY input.session_id, input.learning_date
ON CONFLICT DO NOTHING
RETURNING run_id
