-- Marks the summaries of the ended runs of a school between two learning dates as out of date. SQLite has one writer.
UPDATE batch_runs
SET summarised = FALSE
WHERE school_id = :school_id
  AND ended_at IS NOT NULL
  AND learning_date >= :first_day
  AND learning_date <= :last_day
  AND summarised
