-- Locks runs FOR UPDATE in the order of run_id, as every writer does. The statements that follow in the transaction
-- then see what every transaction that still wrote for these runs has committed.
-- Postgres only: SQLite has one writer at a time.
-- :run_ids is a JSON array of run ids.
SELECT run_id FROM batch_runs
WHERE run_id IN (SELECT CAST(value AS uuid) FROM jsonb_array_elements_text(CAST(:run_ids AS jsonb)) AS value)
ORDER BY run_id
FOR UPDATE
