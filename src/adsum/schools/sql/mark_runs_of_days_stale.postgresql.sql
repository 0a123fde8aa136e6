-- Marks the summaries of the ended runs of a school between two learning dates as out of date.
-- Locks the runs in the order of their ids, and so waits for transactions that summarise them.
-- One UPDATE is right under READ COMMITTED: a row that a concurrent transaction has changed is read again after the
-- wait. So `stale_runs.summarised` is the newest value, and runs that became summarised meanwhile are changed, too.
-- The condition `batch_runs.summarised` would miss them: it would be checked on the row before that change.
WITH stale_runs AS (
    SELECT run_id, summarised
    FROM batch_runs
    WHERE school_id = :school_id
      AND ended_at IS NOT NULL
      AND learning_date >= :first_day
      AND learning_date <= :last_day
    ORDER BY run_id
    FOR NO KEY UPDATE
)
UPDATE batch_runs
SET summarised = FALSE
FROM stale_runs
WHERE batch_runs.run_id = stale_runs.run_id
  AND stale_runs.summarised
