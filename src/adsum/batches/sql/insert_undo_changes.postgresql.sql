-- Writes a change entry for each record that an undo sets back: those whose standing version is that of the run, or of
-- a run that it carries on (chain). Records that are cleared already are left out.
-- A version stands unless an undo has taken its run back on this record, or its run is in the JSON array
-- :undone_run_ids. A record is set back to the version that stands below the run's, so undos of several runs end at the
-- same mark in any order. Without one, the record is cleared.
-- Locks the records that these runs have written, in the order of their ids; one that has another version by then
-- stays. :overrules false leaves out records that the office has set.
-- Each record looks its changes up by LATERAL with OFFSET 0, so that the time grows with the number of records whatever
-- the statistics say. Right after a bulk insert there are none: Postgres expects one record, and would compare each
-- record with each other.
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
record AS MATERIALIZED (
    SELECT a.*
    FROM attendances a
    WHERE a.session_id = :session_id AND a.learning_date = :learning_date
        AND (:overrules OR a.marked_role NOT IN ('office', 'admin'))
        AND (
            a.run_id IN (SELECT run_id FROM chain)
            OR EXISTS (
                SELECT 1 FROM attendance_changes c
                WHERE c.attendance_id = a.id AND c.run_id IN (SELECT run_id FROM chain)
            )
        )
    ORDER BY a.id
    FOR UPDATE
),
taken_back AS (
    SELECT undo.undoes_run_id, r.run_id, r.session_id, r.learning_date, r.number,
           r.carried_recorded + r.carried_skipped + r.carried_cancelled AS carried
    FROM (
        SELECT DISTINCT c.undoes_run_id
        FROM record
        CROSS JOIN LATERAL (
            SELECT undoes_run_id FROM attendance_changes WHERE attendance_id = record.id OFFSET 0
        ) c
        WHERE c.undoes_run_id IS NOT NULL
    ) undo
    CROSS JOIN LATERAL (SELECT * FROM batch_runs WHERE run_id = undo.undoes_run_id LIMIT 1) r
    UNION ALL
    SELECT taken_back.undoes_run_id, r.run_id, r.session_id, r.learning_date, r.number,
           r.carried_recorded + r.carried_skipped + r.carried_cancelled
    FROM taken_back
    JOIN batch_runs r
        ON r.session_id = taken_back.session_id AND r.learning_date = taken_back.learning_date
        AND r.number = taken_back.number - 1
    WHERE taken_back.carried > 0
)
SELECT record.id, record.version + 1, record.status, below.status, record.note, below.note, record.arrived_at,
       below.arrived_at, record.left_at, below.left_at, :changed_at, :changed_role, :user_id, :key_id, :reason, NULL,
       :run_id, record.learning_date
FROM record
CROSS JOIN LATERAL (
    SELECT standing.*, first_value(is_of_run) OVER (ORDER BY version DESC) AS newest_is_of_run
    FROM (
        SELECT made.*, coalesce(made.run_id IN (SELECT run_id FROM chain), false) AS is_of_run
        FROM (
            SELECT 0 AS version, CAST(NULL AS uuid) AS run_id, CAST(NULL AS text) AS status, CAST(NULL AS text) AS note,
                   CAST(NULL AS text) AS arrived_at, CAST(NULL AS text) AS left_at
            UNION ALL
            SELECT 1, record.run_id,
                   CASE WHEN record.version = 1 THEN record.status ELSE c.old_status END,
                   CASE WHEN record.version = 1 THEN record.note ELSE c.old_note END,
                   CASE WHEN record.version = 1 THEN record.arrived_at ELSE c.old_arrived_at END,
                   CASE WHEN record.version = 1 THEN record.left_at ELSE c.old_left_at END
            FROM (VALUES (2)) AS second(version)
            LEFT JOIN attendance_changes c ON c.attendance_id = record.id AND c.version = second.version
            UNION ALL
            SELECT c.version, c.run_id, c.new_status, c.new_note, c.new_arrived_at, c.new_left_at
            FROM attendance_changes c
            WHERE c.attendance_id = record.id AND c.undoes_run_id IS NULL
        ) made
        WHERE NOT EXISTS (
                SELECT 1
                FROM attendance_changes undo
                JOIN taken_back ON taken_back.undoes_run_id = undo.undoes_run_id
                WHERE undo.attendance_id = record.id AND taken_back.run_id = made.run_id
            )
            AND (made.run_id IS NULL OR made.run_id NOT IN (
                SELECT CAST(value AS uuid) FROM jsonb_array_elements_text(CAST(:undone_run_ids AS jsonb)) AS value
            ))
    ) standing
    ORDER BY is_of_run, version DESC
    LIMIT 1
) below
WHERE newest_is_of_run
    AND (
        record.version = 1
        OR EXISTS (SELECT 1 FROM attendance_changes c WHERE c.attendance_id = record.id AND c.version = record.version)
    )
    AND (record.status IS NOT NULL OR below.status IS NOT NULL)
ORDER BY record.id
