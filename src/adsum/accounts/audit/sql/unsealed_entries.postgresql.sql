-- Loads the oldest entries that are not sealed, each column as text, for their hashes.
-- Locks nothing: the caller has locked the chain, and only sealing changes an entry.
-- ORDER BY names the table: id alone would be the text, by which 10 comes before 2.
SELECT
    CAST(id AS text), to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
    action, caller_role, CAST(caller_user_id AS text), CAST(caller_key_id AS text), os_user, address, request_id, agent,
    CAST(school_id AS text), CAST(student_id AS text), CAST(user_id AS text), CAST(key_id AS text), before, after
FROM audit_entries
WHERE position IS NULL
ORDER BY audit_entries.id
LIMIT :limit
