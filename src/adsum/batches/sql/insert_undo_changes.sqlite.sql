-- Writes a change entry for each record that an undo sets back: those whose standing version is that of the run, or of
-- a run that it carries on (chain). Records that are cleared already are left out.
-- A version stands unless an undo has taken its run back on this record, or its run is in the JSON array
-- :undone_run_ids. A record is set back to the version that stands below the run's, so undos of several runs end at the
-- same mark in any order. Without one, the record is cleared.
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
),
record AS (
    SELECT a.*
    FROM attendances a
    WHERE a.session_id = :session_id AND a.learning_date = :learning_date
        AND (
            a.run_id IN (SELECT run_id FROM chain)
            OR EXISTS (
                SELECT 1 FROM attendance_changes c
                WHERE c.attendance_id = a.id AND c.run_id IN (SELECT run_id FROM chain)
            )
        )
        AND (
            a.version = 1
            OR EXISTS (SELECT 1 FROM attendance_changes c WHERE c.attendance_id = a.id AND c.version = a.version)
        )
),
undone AS (
    SELECT c.attendance_id, r.run_id, r.session_id, r.learning_date, r.number,
           r.carried_recorded + r.carried_skipped + r.carried_cancelled AS carried
    FROM record
    JOIN attendance_changes c ON c.attendance_id = record.id
    JOIN batch_runs r ON r.run_id = c.undoes_run_id
    UNION ALL
    SELECT undone.attendance_id, r.run_id, r.session_id, r.learning_date, r.number,
           r.carried_recorded + r.carried_skipped + r.carried_cancelled
    FROM undone
    JOIN batch_runs r
        ON r.session_id = undone.session_id AND r.learning_date = undone.learning_date AND r.number = undone.number - 1
    WHERE undone.carried > 0
),
made AS (
    SELECT record.id AS attendance_id, 1 AS version, record.run_id,
           CASE WHEN record.version = 1 THEN record.status ELSE c.old_status END AS status,
           CASE WHEN record.version = 1 THEN record.note ELSE c.old_note END AS note,
           CASE WHEN record.version = 1 THEN record.arrived_at ELSE c.old_arrived_at END AS arrived_at,
           CASE WHEN record.version = 1 THEN record.left_at ELSE c.old_left_at END AS left_at
    FROM record
    LEFT JOIN attendance_changes c ON c.attendance_id = record.id AND c.version = 2
    UNION ALL
    SELECT c.attendance_id, c.version, c.run_id, c.new_status, c.new_note, c.new_arrived_at, c.new_left_at
    FROM record
    JOIN attendance_changes c ON c.attendance_id = record.id
    WHERE c.undoes_run_id IS NULL
),
standing AS (
    SELECT made.*, made.run_id IN (SELECT run_id FROM chain) AS is_of_run
    FROM made
    LEFT JOIN undone ON undone.attendance_id = made.attendance_id AND undone.run_id = made.run_id
    WHERE undone.run_id IS NULL
        AND (made.run_id IS NULL OR made.run_id NOT IN (SELECT value FROM json_each(:undone_run_ids)))
),
newest AS (
    SELECT standing.*, row_number() OVER (PARTITION BY attendance_id ORDER BY version DESC) AS position
    FROM standing
),
below AS (
    SELECT standing.*, row_number() OVER (PARTITION BY attendance_id ORDER BY version DESC) AS position
    FROM standing
    WHERE is_of_run IS NOT TRUE
)
SELECT a.id, a.version + 1, a.status, below.status, a.note, below.note, a.arrived_at, below.arrived_at, a.left_at,
       below.left_at, :changed_at, :changed_role, :user_id, :key_id, :reason, NULL, :run_id,
       a.learning_date
FROM newest
JOIN attendances a ON a.id = newest.attendance_id
LEFT JOIN below ON below.attendance_id = a.id AND below.position = 1
WHERE newest.position = 1 AND newest.is_of_run
    AND a.session_id = :session_id AND a.learning_date = :learning_date
    AND (:overrules OR a.marked_role NOT IN ('office', 'admin'))
    AND (a.status IS NOT NULL OR below.status IS NOT NULL)
ORDER BY a.id
