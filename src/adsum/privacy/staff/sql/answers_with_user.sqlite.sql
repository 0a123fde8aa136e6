-- Loads the answers under idempotency keys that name a member of staff, by email or, in reports of imports, by source id.
-- Locks nothing.
SELECT k.actor, k.key, k.answer
FROM idempotency_keys k
WHERE EXISTS (
    SELECT 1
    FROM json_tree(k.answer) part
    WHERE part.type = 'text' AND (part.value = :email OR (part.key = 'user' AND part.value = :source_id))
)
ORDER BY k.actor, k.key
