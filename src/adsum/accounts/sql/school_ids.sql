-- Lists the ids of all schools. Locks nothing.
SELECT id FROM schools ORDER BY id
