-- Queues absences for the open runs of the students' classes at the school of the absence: these runs record the
-- students without the absences.
-- SQLite has one writer.
-- The runs are joined by session, for the index uq_batch_runs_open: no index begins with batch_runs.class_id,
-- and the index on the school, which `+ 0` keeps from being chosen, has the runs of all days.
WITH input AS (
    SELECT value ->> 'absence_id' AS absence_id
    FROM json_each(:input_rows)
)
INSERT INTO due_absences (run_id, absence_id)
SELECT DISTINCT r.run_id, a.id
FROM input
JOIN absences AS a ON a.id = input.absence_id
JOIN enrolments AS e ON e.student_id = a.student_id
JOIN sessions AS s ON s.class_id = e.class_id
JOIN batch_runs AS r ON r.session_id = s.id
WHERE r.state = 'open'
    AND r.school_id + 0 = a.school_id
    AND r.learning_date >= a.first_day
    AND r.learning_date <= a.last_day
    AND (e.begin_date IS NULL OR e.begin_date <= r.learning_date)
    AND (e.end_date IS NULL OR e.end_date > r.learning_date)
ON CONFLICT DO NOTHING
