-- Marks the summaries of the runs that made some records as out of date. SQLite has one writer.
UPDATE batch_runs
SET summarised = FALSE
WHERE run_id IN (
    SELECT attendances.run_id
    FROM json_each(:input_rows) input
    JOIN attendances ON attendances.id = input.value ->> 'id'
)
  AND summarised
