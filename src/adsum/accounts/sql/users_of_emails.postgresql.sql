-- Loads users by email. Runs for every request of a key on behalf of a person. Locks nothing.
WITH input AS (SELECT email FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS r(email text))
SELECT
  u.id, u.school_id, u.source_id, u.email, u.password_hash, u.role,
  u.disabled OR (u.role = 'teacher' AND (u.left_roster OR NOT u.enabled_in_roster)) AS disabled, u.token_generation,
  u.unlocks, u.first_password, COALESCE(s.office_manages_logins, FALSE) AS office_manages_logins
FROM input
JOIN users u ON u.email = input.email
LEFT JOIN schools s ON s.id = u.school_id
