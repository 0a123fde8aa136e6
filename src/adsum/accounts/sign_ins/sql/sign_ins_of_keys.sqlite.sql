-- Loads sign-ins with their users by key. Runs for every request that carries a token. Locks nothing.
WITH input AS (SELECT value ->> 'key' AS key FROM json_each(:input_rows))
SELECT
  s.key, s.id AS sign_in_id, s.kind, s.generation, s.last_used_at, s.confirmed_at, s.has_second_factor,
  s.issuer,
  u.id, u.school_id, u.source_id, u.email, u.password_hash, u.role,
  u.disabled OR (u.role = 'teacher' AND (u.left_roster OR NOT u.enabled_in_roster)) AS disabled, u.token_generation,
  u.unlocks, u.first_password, COALESCE(c.office_manages_logins, FALSE) AS office_manages_logins
FROM input
JOIN sign_ins s ON s.key = input.key
JOIN users u ON u.id = s.user_id
LEFT JOIN schools c ON c.id = u.school_id
