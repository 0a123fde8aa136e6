-- Lists the ids of all schools.
SELECT id FROM schools ORDER BY id
