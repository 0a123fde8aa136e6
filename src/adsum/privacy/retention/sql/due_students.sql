-- Finds the students of a home school who are in no roster any more, of whom neither records nor absences are left, and
-- whose last enrolment ended before a day. Students on hold, and students who were never enrolled, are not among them.
-- Locks nothing.
SELECT s.id, max(e.end_date) AS enrolled_until
FROM students s
JOIN enrolments e ON e.student_id = s.id
WHERE s.school_id = :school_id
  AND s.merged_into IS NULL
  AND NOT s.active
  AND NOT EXISTS (SELECT 1 FROM student_schools o WHERE o.student_id = s.id AND o.active)
  AND NOT EXISTS (SELECT 1 FROM enrolments c WHERE c.student_id = s.id AND c.end_date IS NULL)
  AND NOT EXISTS (SELECT 1 FROM attendances a WHERE a.student_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM absences b WHERE b.student_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM absence_contacts k WHERE k.student_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM desk_entries y WHERE y.student_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM contradictions d WHERE d.student_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM job_failures f WHERE f.student_id = s.id)
  AND NOT EXISTS (SELECT 1 FROM student_holds h WHERE h.student_id = s.id AND h.lifted_at IS NULL)
GROUP BY s.id
HAVING max(e.end_date) <= :before
ORDER BY s.id
