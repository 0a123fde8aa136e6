-- Adds up the days of each student of a school in one month. Writes one row of student_months for each student.
-- attended_on is the last day on which the student was not absent. absent_after and absent_from describe the days after
-- it, on all of which the student was absent: their number, and the first of them.
-- A day counts as absent if at least half of its time was missed, as `is_absent` has it.
-- Locks: none of its own. The caller holds the lock of the school and has deleted the previous rows.
INSERT INTO student_months (
    school_id, month, student_id, sessions, attended, absent, authorised, late, days, days_absent,
    minutes, minutes_missed, attended_on, absent_after, absent_from
)
SELECT
    d.school_id,
    :month,
    d.student_id,
    sum(d.sessions),
    sum(d.attended),
    sum(d.absent),
    sum(d.authorised),
    sum(d.late),
    count(*),
    sum(CASE WHEN 2 * d.time_missed >= d.time THEN 1 ELSE 0 END),
    sum(d.minutes),
    sum(d.minutes_missed),
    d.attended_on,
    sum(CASE WHEN d.attended_on IS NULL OR d.day > d.attended_on THEN 1 ELSE 0 END),
    min(CASE WHEN d.attended_on IS NULL OR d.day > d.attended_on THEN d.day END)
FROM (
    SELECT
        s.*,
        max(CASE WHEN 2 * s.time_missed < s.time THEN s.day END) OVER (PARTITION BY s.student_id) AS attended_on
    FROM student_days s
    WHERE s.school_id = :school_id AND s.day >= :month AND s.day < :next_month
) d
GROUP BY d.school_id, d.student_id, d.attended_on
