-- Writes the events of runs that have ended in this transaction: how each ended.
-- :run_ids is a JSON array of run ids. Locks nothing new: the caller has updated these runs.
INSERT INTO new_events (type, school_id, occurred_at, run_id)
SELECT CASE
           WHEN state = 'cancelled' THEN 'batch.cancelled'
           WHEN failed_jobs > 0 THEN 'batch.completed_with_errors'
           ELSE 'batch.completed'
       END,
       school_id, ended_at, run_id
FROM batch_runs
WHERE run_id IN (SELECT value FROM json_each(:run_ids))
