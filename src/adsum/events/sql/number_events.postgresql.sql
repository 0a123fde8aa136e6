-- Moves the oldest :limit committed events from `new_events` to `events`, with ids from :last_id + 1 on, in the order
-- of their insertion. Returns the id of each.
-- One statement, because two would see different rows: a transaction may commit in between.
-- Locks: the deleted rows, after `event_log`, which the caller has locked, so that ids become visible in their order. An
-- erasure that has changed such a row holds it until its end.
WITH moved AS (
    DELETE FROM new_events
    WHERE id IN (SELECT id FROM new_events ORDER BY id LIMIT :limit)
    RETURNING id, type, school_id, occurred_at, run_id, data
)
INSERT INTO events (id, type, school_id, occurred_at, run_id, data)
SELECT :last_id + row_number() OVER (ORDER BY id), type, school_id, occurred_at, run_id, data
FROM moved
RETURNING id
