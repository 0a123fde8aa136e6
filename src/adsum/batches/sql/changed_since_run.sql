-- Lists the records that a run, or a run that it carries on (chain), has created or changed, and that an undo of the
-- run does not set back: somebody changed them after it, or the office has set them and :overrules is false.
-- Locks nothing. Records that an undo of this run has set back are left out.
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
SELECT a.student_id, a.status, a.note, a.version
FROM attendances a
LEFT JOIN attendance_changes c ON c.attendance_id = a.id AND c.version = a.version
WHERE a.session_id = :session_id AND a.learning_date = :learning_date
    AND (
        a.run_id IN (SELECT run_id FROM chain)
        OR EXISTS (
            SELECT 1 FROM attendance_changes earlier
            WHERE earlier.attendance_id = a.id AND earlier.run_id IN (SELECT run_id FROM chain)
        )
    )
    AND NOT (
        c.undoes_run_id IS NOT NULL
        AND EXISTS (
            SELECT 1 FROM attendance_changes undo WHERE undo.attendance_id = a.id AND undo.undoes_run_id = :run_id
        )
    )
    AND NOT (
        COALESCE(
            (a.version = 1 AND a.run_id IN (SELECT run_id FROM chain)) OR c.run_id IN (SELECT run_id FROM chain),
            false
        )
        AND (:overrules OR a.marked_role NOT IN ('office', 'admin'))
    )
ORDER BY a.student_id
