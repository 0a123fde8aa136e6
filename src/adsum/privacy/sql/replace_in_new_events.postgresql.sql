-- Replaces the ids of students in events that have no number yet by :kept_id, which may be
-- null, also those of records merged into them. Events about runs name no student. :student_ids is a JSON array. Locks: the events.
-- Before those of `events`: it waits for the transaction that numbers them, which moves them there.
UPDATE new_events
SET data = jsonb_set(data, '{studentId}', coalesce(to_jsonb(CAST(:kept_id AS bigint)), 'null'))
WHERE type IN (
        'attendance.corrected', 'attendance.cleared', 'student.unexplained',
        'absence.entered', 'absence.changed', 'absence.revoked'
    )
    AND CAST(data ->> 'studentId' AS bigint) IN (
        SELECT s.id
        FROM students s
        JOIN jsonb_array_elements_text(CAST(:student_ids AS jsonb)) AS erased
            ON CAST(erased AS bigint) IN (s.id, s.merged_into)
    )
