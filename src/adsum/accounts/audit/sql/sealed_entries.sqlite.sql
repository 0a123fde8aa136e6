-- Loads a page of sealed entries in the order of their positions, each column as text, for their hashes.
-- SQLite has one writer.
SELECT
    CAST(position AS text), CAST(hash AS text),
    CAST(id AS text), CAST(created_at AS text),
    CAST(action AS text), CAST(caller_role AS text), CAST(caller_user_id AS text), CAST(caller_key_id AS text),
    CAST(os_user AS text), CAST(address AS text), CAST(request_id AS text), CAST(agent AS text),
    CAST(school_id AS text), CAST(student_id AS text), CAST(user_id AS text), CAST(key_id AS text),
    CAST(before AS text), CAST(after AS text)
FROM audit_entries
WHERE position > :after
ORDER BY audit_entries.position
LIMIT :limit
