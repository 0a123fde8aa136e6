-- Lists the students of a run by id, with requested mark, outcome and current record. Locks nothing.
-- A retry holds only the students who had failed. The others come from the runs before it that it carries on (chain),
-- unless :is_alone. A student who is in several of these runs is listed once, as in the newest of them.
-- :after is the last student id of the page before. :outcome NULL lists all outcomes. :candidates limits the students
-- whose outcome is looked up: it is :limit if :outcome is NULL, else a number above that of the students of a run.
-- LATERAL with LIMIT 1: Postgres overestimates the number of jobs in a plan, and would scan attendances,
-- attendance_changes and job_failures. A job has at most one row in each of them, so LIMIT forces one index lookup per
-- job.
WITH RECURSIVE chain AS (
    SELECT run_id, session_id, learning_date, number,
           carried_recorded + carried_skipped + carried_cancelled AS carried
    FROM batch_runs
    WHERE run_id = :run_id
    UNION ALL
    SELECT r.run_id, r.session_id, r.learning_date, r.number,
           r.carried_recorded + r.carried_skipped + r.carried_cancelled
    FROM chain
    JOIN batch_runs r
        ON r.session_id = chain.session_id AND r.learning_date = chain.learning_date AND r.number = chain.number - 1
    WHERE chain.carried > 0 AND NOT :is_alone
),
requested AS (
    SELECT r.run_id, r.state, r.session_id, r.learning_date, r.number, r.on_existing,
           CAST(entry.value ->> 'student' AS bigint) AS student_id,
           entry.value ->> 'status' AS requested_status,
           entry.value ->> 'note' AS requested_note,
           CAST(entry.value ->> 'version' AS int) AS expected_version,
           false AS is_kept
    FROM chain
    JOIN batch_runs r ON r.run_id = chain.run_id
    CROSS JOIN LATERAL jsonb_array_elements(r.plan) AS chunk(value)
    CROSS JOIN LATERAL jsonb_array_elements(chunk.value) AS entry(value)
    UNION ALL
    SELECT r.run_id, r.state, r.session_id, r.learning_date, r.number, r.on_existing,
           CAST(kept.value AS bigint), NULL, NULL, NULL, true
    FROM chain
    JOIN batch_runs r ON r.run_id = chain.run_id
    CROSS JOIN LATERAL jsonb_array_elements_text(r.kept) AS kept(value)
),
ranked AS (
    SELECT requested.*, row_number() OVER (PARTITION BY student_id ORDER BY number DESC) AS age
    FROM requested
    WHERE student_id > :after
),
job AS (
    SELECT * FROM ranked WHERE age = 1 ORDER BY student_id LIMIT :candidates
),
listed AS (
    SELECT job.student_id, job.run_id, job.requested_status, job.requested_note, job.expected_version, job.is_kept,
        job.on_existing,
        CASE
            WHEN job.is_kept THEN 'skipped'
            WHEN c.attendance_id IS NOT NULL OR (a.run_id = job.run_id AND job.expected_version IS NULL) THEN 'recorded'
            WHEN f.code = 'cancelled' THEN 'cancelled'
            WHEN f.student_id IS NOT NULL THEN 'failed'
            WHEN a.id IS NOT NULL AND (job.expected_version IS NULL OR a.version > job.expected_version) THEN 'skipped'
            WHEN job.state = 'cancelled' THEN 'cancelled'
            ELSE 'pending'
        END AS outcome,
        f.code AS failure, a.id AS record_id, a.status AS record_status, a.note AS record_note,
        a.version AS record_version
    FROM job
    LEFT JOIN LATERAL (
        SELECT * FROM attendances a
        WHERE a.session_id = job.session_id AND a.learning_date = job.learning_date AND a.student_id = job.student_id
        LIMIT 1
    ) a ON true
    LEFT JOIN LATERAL (
        SELECT * FROM attendance_changes c
        WHERE c.attendance_id = a.id AND c.version = job.expected_version + 1 AND c.run_id = job.run_id
        LIMIT 1
    ) c ON true
    LEFT JOIN LATERAL (
        SELECT * FROM job_failures f
        WHERE f.run_id = job.run_id AND f.student_id = job.student_id
        LIMIT 1
    ) f ON true
)
SELECT student_id, run_id, requested_status, requested_note, expected_version, is_kept, on_existing, outcome, failure,
       record_id, record_status, record_note, record_version
FROM listed
WHERE :outcome IS NULL OR outcome = :outcome
ORDER BY student_id
LIMIT :limit
