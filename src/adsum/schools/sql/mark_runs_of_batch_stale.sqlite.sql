-- Marks the summaries of the runs of one batch as out of date. SQLite has one writer.
UPDATE batch_runs
SET summarised = FALSE
WHERE session_id = :session_id
  AND learning_date = :learning_date
  AND summarised
