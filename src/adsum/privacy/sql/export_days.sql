-- Exports the daily summaries of a student. Locks nothing.
SELECT
    d.day,
    d.sessions,
    d.attended,
    d.absent,
    d.authorised,
    d.late,
    d.time,
    d.time_missed,
    d.minutes,
    d.minutes_missed
FROM student_days d
WHERE d.student_id = :student_id
ORDER BY d.day
