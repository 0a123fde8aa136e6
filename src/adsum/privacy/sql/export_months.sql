-- Exports the monthly summaries of a student. Locks nothing.
SELECT
    m.month,
    m.sessions,
    m.attended,
    m.absent,
    m.authorised,
    m.late,
    m.days,
    m.days_absent,
    m.minutes,
    m.minutes_missed,
    m.attended_on,
    m.absent_after,
    m.absent_from
FROM student_months m
WHERE m.student_id = :student_id
ORDER BY m.month
