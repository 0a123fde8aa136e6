-- Queues absences for the open runs of the students' classes at the school of the absence: these runs record the
-- students without the absences.
-- Locks the rows that it inserts. The caller holds the fences of all sessions of the students, in the order of ids, so
-- that no run is opened meanwhile.
-- The runs are joined by session, for the index uq_batch_runs_open: no index begins with batch_runs.class_id,
-- and the index on the school, which `+ 0` keeps from being chosen, has the runs of all days.
WITH input AS (
    SELECT absence_id
    FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS i(absence_id bigint)
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
