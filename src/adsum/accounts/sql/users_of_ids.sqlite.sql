-- Loads users by id. Runs for every request that carries a token. Locks nothing.
WITH input AS (SELECT value ->> 'id' AS id FROM json_each(:input_rows))
SELECT
  u.id, u.school_id, u.source_id, u.email, u.password_hash, u.role,
  u.disabled OR (u.role = 'teacher' AND (u.left_roster OR NOT u.enabled_in_roster)) AS disabled, u.token_generation,
  u.unlocks, u.first_password, COALESCE(s.office_manages_logins, FALSE) AS office_manages_logins
FROM input
JOIN users u ON u.id = input.id
LEFT JOIN schools s ON s.id = u.school_id
