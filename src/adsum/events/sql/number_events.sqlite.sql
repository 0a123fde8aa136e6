-- Copies the oldest :limit events from `new_events` to `events`, with ids from :last_id + 1 on, in the order of their
-- insertion. Returns the id of each. `delete_numbered` then deletes them from `new_events`.
-- SQLite has one writer.
INSERT INTO events (id, type, school_id, occurred_at, run_id, data)
SELECT :last_id + row_number() OVER (ORDER BY id), type, school_id, occurred_at, run_id, data
FROM (SELECT * FROM new_events ORDER BY id LIMIT :limit)
WHERE true
RETURNING id
