-- Locks the runs of one batch, in the order of their ids. Waits for a transaction that summarises them.
SELECT count(*)
FROM (
    SELECT run_id
    FROM batch_runs
    WHERE session_id = :session_id
      AND learning_date = :learning_date
    ORDER BY run_id
    FOR NO KEY UPDATE
) locked
