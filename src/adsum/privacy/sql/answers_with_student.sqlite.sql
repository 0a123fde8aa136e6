-- Loads the answers under idempotency keys that name a student, by id or, in reports of imports, by source id. An
-- answer is returned once for each record of the student that it names. Locks nothing.
SELECT k.actor, k.key, k.created_at, k.answer, s.source_id
FROM students s
CROSS JOIN idempotency_keys k
WHERE (s.id = :student_id OR s.merged_into = :student_id)
    AND EXISTS (
        SELECT 1
        FROM json_tree(k.answer) part
        WHERE (part.key IN ('studentId', 'student_id') AND part.value = s.id)
            OR (part.key = 'user' AND part.value = s.source_id)
    )
ORDER BY k.created_at, k.actor, k.key
