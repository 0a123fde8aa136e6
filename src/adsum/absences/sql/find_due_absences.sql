-- The queued absences whose run has ended, at most :limit. Locks nothing.
SELECT d.run_id, d.absence_id
FROM due_absences AS d
JOIN batch_runs AS r ON r.run_id = d.run_id
WHERE r.state <> 'open'
ORDER BY d.run_id, d.absence_id
LIMIT :limit
