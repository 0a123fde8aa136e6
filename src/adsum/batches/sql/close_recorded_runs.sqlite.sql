-- Closes runs whose jobs are all recorded, and returns their final counts.
-- SQLite only: on Postgres `record_jobs` does it.
-- Nothing is counted: a record never disappears and never changes its run, so "all jobs recorded" is final.
-- SQLite has one writer.
UPDATE batch_runs
SET state = 'closed', ended_at = :now, ended_by = :ended_by, failed_jobs = 0, cancelled_jobs = carried_cancelled,
    skipped_jobs = carried_skipped + json_array_length(kept),
    recorded_jobs = total_jobs - carried_skipped - json_array_length(kept) - carried_cancelled
WHERE run_id IN (SELECT value FROM json_each(:run_ids)) AND state = 'open'
RETURNING batch_runs.run_id, recorded_jobs, skipped_jobs, failed_jobs, cancelled_jobs
