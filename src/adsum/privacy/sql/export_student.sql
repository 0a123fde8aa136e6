-- Exports the row of a student, with the name of the school. Locks nothing.
SELECT
    st.id,
    st.source_id AS sourced_id,
    st.given_name,
    st.family_name,
    st.grade,
    st.active,
    schools.name AS school
FROM students st
JOIN schools ON schools.id = st.school_id
WHERE st.id = :student_id
