-- Sets records back to the new values of the change entries that an undo of the run has just written. Returns their ids.
-- Locks nothing new: insert_undo_changes has locked these records.
-- Scalar subqueries look one change up for each record. A join could compare each record with each change: Postgres
-- expects one of both until it has statistics.
UPDATE attendances
SET absence_id = NULL,
    (status, note, arrived_at, left_at, version, marked_at, marked_role, user_id, key_id) = (
        SELECT c.new_status, c.new_note, c.new_arrived_at, c.new_left_at, c.version, c.changed_at, c.changed_role,
               c.user_id, c.key_id
        FROM attendance_changes c
        WHERE c.attendance_id = attendances.id AND c.version = attendances.version + 1
    )
WHERE session_id = :session_id
    AND learning_date = :learning_date
    AND :run_id = (
        SELECT c.undoes_run_id
        FROM attendance_changes c
        WHERE c.attendance_id = attendances.id AND c.version = attendances.version + 1
    )
RETURNING id
