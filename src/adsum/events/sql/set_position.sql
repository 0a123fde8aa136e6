-- Stores how far a reader has read.
-- Locks: the row of the reader.
INSERT INTO event_readers (name, position)
VALUES (:name, :position)
ON CONFLICT (name) DO UPDATE SET position = excluded.position
