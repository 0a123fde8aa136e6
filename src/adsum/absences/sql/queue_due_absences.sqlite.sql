-- Queues absences for the open runs of the students' classes: these runs record the students without the absences.
-- Locks the rows that it inserts. The caller holds the fences of all sessions of the students, in the order of ids, so
-- that no run is opened meanwhile.
WITH input AS (
    SELECT value ->> 'absence_id' AS absence_id
    FROM json_each(:input_rows)
)
INSERT INTO due_absences (run_id, absence_id)
SELECT DISTINCT r.run_id, a.id
FROM input
JOIN absences AS a ON a.id = input.absence_id
JOIN enrolments AS e ON e.student_id = a.student_id
JOIN batch_runs AS r ON r.class_id = e.class_id
WHERE r.state = 'open'
    AND r.learning_date >= a.first_day
    AND r.learning_date <= a.last_day
    AND (e.begin_date IS NULL OR e.begin_date <= r.learning_date)
    AND (e.end_date IS NULL OR e.end_date > r.learning_date)
ON CONFLICT DO NOTHING
