-- Loads the answers under idempotency keys that name a student, by id or, in reports of imports, by source id. An
-- answer is returned once for each record of the student that it names. Locks nothing.
SELECT k.actor, k.key, k.created_at, k.answer, s.source_id
FROM students s
CROSS JOIN idempotency_keys k
WHERE (s.id = :student_id OR s.merged_into = :student_id)
    AND jsonb_path_exists(
        k.answer,
        '$.** ? (@.studentId == $id || @.student_id == $id || @.user == $source)',
        jsonb_build_object('id', s.id, 'source', COALESCE(s.source_id, ''))
    )
ORDER BY k.created_at, k.actor, k.key
