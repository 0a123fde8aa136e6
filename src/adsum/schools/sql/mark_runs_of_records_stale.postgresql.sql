-- Marks the summaries of the runs that made some records as out of date.
UPDATE batch_runs
SET summarised = FALSE
WHERE run_id IN (
    SELECT attendances.run_id
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS input(id bigint)
    JOIN attendances ON attendances.id = input.id
)
  AND summarised
