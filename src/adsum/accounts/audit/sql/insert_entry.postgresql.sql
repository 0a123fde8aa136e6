-- Inserts one audit entry in the transaction of the action that it describes.
-- Locks the new row alone. There are no foreign keys and no unique values, so it waits for nothing.
INSERT INTO audit_entries (
    created_at, action, caller_role, caller_user_id, caller_key_id, os_user, address, request_id, agent,
    school_id, student_id, user_id, key_id, before, after
)
VALUES (
    clock_timestamp(), :action, :caller_role, :caller_user_id, :caller_key_id, :os_user, :address, :request_id, :agent,
    :school_id, :student_id, :user_id, :key_id, :before, :after
)
