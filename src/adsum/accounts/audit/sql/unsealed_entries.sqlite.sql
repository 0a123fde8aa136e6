-- Loads the oldest entries that are not sealed, each column as text, for their hashes.
-- SQLite has one writer.
SELECT
    CAST(id AS text), CAST(created_at AS text),
    CAST(action AS text), CAST(caller_role AS text), CAST(caller_user_id AS text), CAST(caller_key_id AS text),
    CAST(os_user AS text), CAST(address AS text), CAST(request_id AS text), CAST(agent AS text),
    CAST(school_id AS text), CAST(student_id AS text), CAST(user_id AS text), CAST(key_id AS text),
    CAST(before AS text), CAST(after AS text)
FROM audit_entries
WHERE position IS NULL
ORDER BY audit_entries.id
LIMIT :limit
