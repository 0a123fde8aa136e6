-- Inserts one audit entry in the transaction of the action that it describes. The time has the form of other columns.
-- SQLite has one writer.
INSERT INTO audit_entries (
    created_at, action, caller_role, caller_user_id, caller_key_id, os_user, address, request_id, agent,
    school_id, student_id, user_id, key_id, before, after
)
VALUES (
    strftime('%Y-%m-%d %H:%M:%f000', 'now'), :action, :caller_role, :caller_user_id, :caller_key_id, :os_user,
    :address, :request_id, :agent, :school_id, :student_id, :user_id, :key_id, :before, :after
)
