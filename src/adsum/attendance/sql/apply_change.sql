-- Puts the new values of a change into the record :record_id, if it has the version before the change. The office's
-- note stays unless :changes_office_note is true.
-- Locks the record, which the caller has locked already.
UPDATE attendances
SET status = :status,
    note = :note,
    arrived_at = :arrived_at,
    left_at = :left_at,
    absence_id = :absence_id,
    version = :version,
    marked_at = :marked_at,
    marked_role = :marked_role,
    user_id = :user_id,
    key_id = :key_id,
    office_note = CASE WHEN CAST(:changes_office_note AS boolean) THEN :office_note ELSE office_note END
WHERE id = :record_id AND version = :old_version
