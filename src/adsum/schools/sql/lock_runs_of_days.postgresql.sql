-- Locks the ended runs of a school between two learning dates, in the order of their ids.
-- The school is locked already. Waits for a transaction that summarises these runs.
SELECT count(*)
FROM (
    SELECT run_id
    FROM batch_runs
    WHERE school_id = :school_id
      AND ended_at IS NOT NULL
      AND learning_date >= :first_day
      AND learning_date <= :last_day
    ORDER BY run_id
    FOR NO KEY UPDATE
) locked
