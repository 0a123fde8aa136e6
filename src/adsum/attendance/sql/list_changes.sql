-- The versions of record :record_id, the newest first: at most :limit, only those before :before unless it is NULL.
-- Version 1 has no row in attendance_changes. It is the record itself, or the old values of the record's first change;
-- the run that made it has its author and time. Locks nothing.
SELECT *
FROM (
    SELECT
        1 AS version,
        NULL AS old_status,
        NULL AS old_note,
        CASE WHEN a.version = 1 THEN a.status ELSE c.old_status END AS new_status,
        CASE WHEN a.version = 1 THEN a.note ELSE c.old_note END AS new_note,
        COALESCE(r.accepted_at, a.marked_at) AS changed_at,
        COALESCE(r.accepted_role, a.marked_role) AS changed_role,
        CASE WHEN r.run_id IS NOT NULL THEN r.user_id ELSE a.user_id END AS user_id,
        CASE WHEN r.run_id IS NOT NULL THEN r.key_id ELSE a.key_id END AS key_id,
        NULL AS reason,
        a.run_id AS run_id,
        CAST(NULL AS uuid) AS undoes_run_id,
        NULL AS old_arrived_at,
        NULL AS old_left_at,
        CASE WHEN a.version = 1 THEN a.arrived_at ELSE c.old_arrived_at END AS new_arrived_at,
        CASE WHEN a.version = 1 THEN a.left_at ELSE c.old_left_at END AS new_left_at,
        NULL AS old_office_note,
        NULL AS new_office_note,
        CASE WHEN a.version = 1 THEN a.absence_id END AS absence_id
    FROM attendances AS a
    LEFT JOIN batch_runs AS r ON r.run_id = a.run_id
    LEFT JOIN attendance_changes AS c ON c.attendance_id = a.id AND c.version = 2
    WHERE a.id = :record_id
    UNION ALL
    SELECT
        version,
        old_status,
        old_note,
        new_status,
        new_note,
        changed_at,
        changed_role,
        user_id,
        key_id,
        reason,
        run_id,
        undoes_run_id,
        old_arrived_at,
        old_left_at,
        new_arrived_at,
        new_left_at,
        old_office_note,
        new_office_note,
        absence_id
    FROM attendance_changes
    WHERE attendance_id = :record_id
) AS versions
WHERE CAST(:before AS integer) IS NULL OR version < CAST(:before AS integer)
ORDER BY version DESC
LIMIT :limit
