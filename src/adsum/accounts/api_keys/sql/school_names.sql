-- Lists the names of all schools by id. Locks nothing.
SELECT id, name FROM schools ORDER BY id
