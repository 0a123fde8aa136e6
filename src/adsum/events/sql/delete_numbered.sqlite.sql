-- Deletes the oldest :limit events from `new_events`, which `number_events` has just copied.
-- SQLite only: on Postgres `number_events` does it. SQLite has one writer.
DELETE FROM new_events
WHERE id IN (SELECT id FROM new_events ORDER BY id LIMIT :limit)
