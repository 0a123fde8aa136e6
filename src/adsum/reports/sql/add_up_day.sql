-- Adds up the days of all students of a school on one day. Writes one row of school_days, or none if nobody has a day.
-- A day counts as absent if at least half of its time was missed, as `is_absent` has it.
-- Locks: none of its own. The caller holds the lock of the school and has deleted the previous row.
INSERT INTO school_days (
    school_id, day, sessions, attended, absent, authorised, late, days, days_absent,
    minutes, minutes_missed
)
SELECT
    s.school_id,
    s.day,
    sum(s.sessions),
    sum(s.attended),
    sum(s.absent),
    sum(s.authorised),
    sum(s.late),
    count(*),
    sum(CASE WHEN 2 * s.time_missed >= s.time THEN 1 ELSE 0 END),
    sum(s.minutes),
    sum(s.minutes_missed)
FROM student_days s
WHERE s.school_id = :school_id AND s.day = :day
GROUP BY s.school_id, s.day
