-- Writes the events of runs that were inserted in this transaction.
-- SQLite only: on Postgres `insert_runs` does it. SQLite has one writer.
INSERT INTO new_events (type, school_id, occurred_at, run_id)
SELECT 'batch.accepted', school_id, accepted_at, run_id
FROM batch_runs
WHERE run_id IN (SELECT value FROM json_each(:run_ids))
ORDER BY run_id
