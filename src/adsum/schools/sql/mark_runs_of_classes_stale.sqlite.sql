-- Marks the summaries of the ended runs of some classes, each between two learning dates, as out of date.
-- SQLite has one writer.
UPDATE batch_runs
SET summarised = FALSE
WHERE run_id IN (
        SELECT runs.run_id
        FROM json_each(:input_rows) AS input
        JOIN sessions ON sessions.class_id = input.value ->> 'class_id'
        JOIN batch_runs AS runs
          ON runs.session_id = sessions.id
         AND runs.learning_date BETWEEN input.value ->> 'first_day' AND input.value ->> 'last_day'
    )
  AND ended_at IS NOT NULL
  AND summarised
