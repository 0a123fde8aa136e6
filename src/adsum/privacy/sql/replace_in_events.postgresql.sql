-- Replaces the ids of students by :kept_id, which may be null, in numbered events after the id :after. Events about runs
-- name no student. :student_ids and :types, the types that do, are JSON arrays. It reads these events once, without an
-- index.
-- Locks: the events that it changes. Numbering does not wait for them.
UPDATE events
SET data = jsonb_set(data, '{studentId}', coalesce(to_jsonb(CAST(:kept_id AS bigint)), 'null'))
WHERE id > :after
    AND type IN (SELECT value FROM jsonb_array_elements_text(CAST(:types AS jsonb)) AS value)
    AND CAST(data ->> 'studentId' AS bigint) IN (
        SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(CAST(:student_ids AS jsonb)) AS value
    )
