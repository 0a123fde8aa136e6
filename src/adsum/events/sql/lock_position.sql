-- Locks how far a reader has read, and returns it; 0 for a new reader.
-- Locks: the row of the reader.
INSERT INTO event_readers (name, position)
VALUES (:name, 0)
ON CONFLICT (name) DO UPDATE SET position = event_readers.position
RETURNING position
