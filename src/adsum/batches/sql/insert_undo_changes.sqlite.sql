-- Writes a change entry for each record that an undo sets back: those whose current version is that of the run, or of
-- a run that it carries on (chain). Records that are cleared already are left out.
-- SQLite has one writer. :overrules false leaves out records that the office has set.
INSERT INTO attendance_changes (
    attendance_id, version, old_status, new_status, old_note, new_note, old_arrived_at, new_arrived_at, old_left_at,
    new_left_at, changed_at, changed_role, user_id, key_id, reason, run_id, undoes_run_id,
    learning_date
)
WITH RECURSIVE chain AS (
    SELECT run_id, session_id, learning_date, number,
           carried_recorded + carried_skipped + carried_cancelled AS carried
    FROM batch_runs
    WHERE run_id = :run_id
    UNION ALL
    SELECT r.run_id, r.session_id, r.learning_date, r.number,
           r.carried_recorded + r.carried_skipped + r.carried_cancelled
    FROM chain
    JOIN batch_runs r
        ON r.session_id = chain.session_id AND r.learning_date = chain.learning_date AND r.number = chain.number - 1
    WHERE chain.carried > 0
)
SELECT a.id, a.version + 1, a.status, c.old_status, a.note, c.old_note, a.arrived_at, c.old_arrived_at, a.left_at,
       c.old_left_at, :changed_at, :changed_role, :user_id, :key_id, :reason, NULL, :run_id,
       a.learning_date
FROM attendances a
LEFT JOIN attendance_changes c ON c.attendance_id = a.id AND c.version = a.version
WHERE a.session_id = :session_id AND a.learning_date = :learning_date
    AND ((a.version = 1 AND a.run_id IN (SELECT run_id FROM chain)) OR c.run_id IN (SELECT run_id FROM chain))
    AND (:overrules OR a.marked_role NOT IN ('office', 'admin'))
    AND (a.status IS NOT NULL OR c.old_status IS NOT NULL)
ORDER BY a.id
