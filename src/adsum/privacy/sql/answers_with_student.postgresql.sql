-- Loads the responses under idempotency keys that name a student in a conflict. Locks nothing.
SELECT k.actor, k.key, k.created_at, k.answer
FROM idempotency_keys k
WHERE k.answer @> jsonb_build_object(
    'conflicts',
    jsonb_build_array(jsonb_build_object('student_id', CAST(:student_id AS bigint)))
)
ORDER BY k.created_at, k.actor, k.key
