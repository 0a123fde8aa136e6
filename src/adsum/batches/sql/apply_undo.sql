-- Sets records back to the new values of the change entries that an undo of the run has just written. Returns their ids.
-- Locks nothing new: insert_undo_changes has locked these records.
UPDATE attendances
SET status = c.new_status,
    note = c.new_note,
    arrived_at = c.new_arrived_at,
    left_at = c.new_left_at,
    absence_id = NULL,
    version = c.version,
    marked_at = c.changed_at,
    marked_role = c.changed_role,
    user_id = c.user_id,
    key_id = c.key_id
FROM attendance_changes c
WHERE attendances.session_id = :session_id
    AND attendances.learning_date = :learning_date
    AND c.attendance_id = attendances.id
    AND c.undoes_run_id = :run_id
    AND c.version = attendances.version + 1
RETURNING attendances.id
