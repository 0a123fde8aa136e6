-- Locks the ended runs of some sessions, in the order of their ids. Waits for a transaction that summarises them.
SELECT count(*)
FROM (
    SELECT run_id
    FROM batch_runs
    WHERE session_id IN (
        SELECT input.session_id
        FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS input(session_id bigint)
    )
      AND ended_at IS NOT NULL
    ORDER BY run_id
    FOR NO KEY UPDATE
) locked
