-- Exports the places of a student in the seating orders of classes. Locks nothing.
SELECT
    s.class_id,
    c.title AS class_title,
    s.place
FROM student_seats s
JOIN classes c ON c.id = s.class_id
WHERE s.student_id = :student_id
ORDER BY s.class_id
