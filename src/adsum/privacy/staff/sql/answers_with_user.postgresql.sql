-- Loads the answers under idempotency keys that name a member of staff, by email or, in reports of imports, by source id.
-- Locks nothing.
SELECT k.actor, k.key, k.answer
FROM idempotency_keys k
WHERE jsonb_path_exists(
    k.answer,
    '$.** ? (($email != null && @ == $email) || ($source != null && @.user == $source))',
    jsonb_build_object('email', CAST(:email AS text), 'source', CAST(:source_id AS text))
)
ORDER BY k.actor, k.key
