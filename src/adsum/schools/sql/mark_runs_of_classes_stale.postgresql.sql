-- Marks the summaries of the ended runs of some classes, each between two learning dates, as out of date.
-- Locks the runs in the order of their ids, and so waits for transactions that summarise them.
-- One UPDATE is right under READ COMMITTED: a row that a concurrent transaction has changed is read again after the
-- wait. So `stale_runs.summarised` is the newest value, and runs that became summarised meanwhile are changed, too.
-- The condition `batch_runs.summarised` would miss them: it would be checked on the row before that change.
WITH stale_runs AS (
    SELECT run_id, summarised
    FROM batch_runs
    WHERE run_id IN (
        SELECT runs.run_id
        FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS input(class_id bigint, first_day date, last_day date)
        JOIN sessions ON sessions.class_id = input.class_id
        JOIN batch_runs AS runs
          ON runs.session_id = sessions.id AND runs.learning_date BETWEEN input.first_day AND input.last_day
    )
      AND ended_at IS NOT NULL
    ORDER BY run_id
    FOR NO KEY UPDATE
)
UPDATE batch_runs
SET summarised = FALSE
FROM stale_runs
WHERE batch_runs.run_id = stale_runs.run_id
  AND stale_runs.summarised
