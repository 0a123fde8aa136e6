-- Exports the audit entries about a student and the records that were merged into theirs. Locks nothing.
SELECT
    e.created_at,
    e.action,
    e.caller_role,
    e.caller_key_id
FROM audit_entries e
WHERE e.student_id IN (SELECT s.id FROM students s WHERE s.id = :student_id OR s.merged_into = :student_id)
ORDER BY e.id
