-- Replaces the ids of students by :kept_id, which may be null, in events that have no number yet: those of the last
-- moments, which are few. Events about runs name no student. :student_ids is a JSON array.
-- Locks: these events, before those of `replace_in_events`. It waits for a transaction that numbers them, which moves
-- them there; and until the end of its own nothing is numbered.
UPDATE new_events
SET data = jsonb_set(data, '{studentId}', coalesce(to_jsonb(CAST(:kept_id AS bigint)), 'null'))
WHERE CAST(data ->> 'studentId' AS bigint) IN (
        SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(CAST(:student_ids AS jsonb)) AS value
    )
