-- Marks the summaries of the ended runs of some sessions as out of date. SQLite has one writer.
UPDATE batch_runs
SET summarised = FALSE
WHERE session_id IN (SELECT value ->> 'session_id' FROM json_each(:input_rows))
  AND ended_at IS NOT NULL
  AND summarised
