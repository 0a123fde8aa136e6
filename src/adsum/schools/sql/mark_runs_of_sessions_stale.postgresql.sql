-- Marks the summaries of the ended runs of some sessions as out of date.
UPDATE batch_runs
SET summarised = FALSE
WHERE session_id IN (
    SELECT input.session_id
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS input(session_id bigint)
)
  AND ended_at IS NOT NULL
  AND summarised
