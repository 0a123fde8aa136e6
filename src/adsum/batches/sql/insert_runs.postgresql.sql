-- Inserts open runs, each with the next number of its batch, where nothing has changed since the submission was
-- decided: the session's fence still has the value that was read, and no other run has the number. Returns the ids of
-- those inserted.
-- Two unique indexes refuse the others: one open run per batch, and one run per batch and number.
-- Locks: the sessions FOR NO KEY UPDATE in the order of id. Sessions that another transaction has locked are skipped,
-- not waited for; the caller decides such submissions again, alone, after `advance_fences`. Then the inserted rows in
-- the order of session and learning date.
-- Of each inserted run it writes an event.
WITH input AS (
    SELECT *
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS rows(
        run_id uuid, school_id bigint, class_id bigint, session_id bigint, learning_date date, number int,
        on_existing text, plan jsonb, kept jsonb, chunk_size int, carried_recorded int, carried_skipped int,
        carried_cancelled int, total_jobs int, accepted_role text, user_id bigint, key_id bigint, forced_reason text,
        trace text, fence int
    )
),
unchanged AS (
    SELECT s.*
    FROM (SELECT DISTINCT session_id FROM input ORDER BY session_id) i
    CROSS JOIN LATERAL (
        SELECT id, turn FROM sessions WHERE id = i.session_id FOR NO KEY UPDATE SKIP LOCKED
    ) s
),
inserted AS (
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
    RETURNING run_id, school_id
),
event AS (
    INSERT INTO new_events (type, school_id, occurred_at, run_id)
    SELECT 'batch.accepted', school_id, :accepted_at, run_id FROM inserted
)
SELECT run_id FROM inserted
