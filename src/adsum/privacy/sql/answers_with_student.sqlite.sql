-- Loads the responses under idempotency keys that name a student in a conflict. Locks nothing.
SELECT k.actor, k.key, k.created_at, k.answer
FROM idempotency_keys k
WHERE EXISTS (
    SELECT 1
    FROM json_each(k.answer, '$.conflicts') conflict
    WHERE conflict.value ->> 'student_id' = :student_id
)
ORDER BY k.created_at, k.actor, k.key
