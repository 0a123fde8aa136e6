-- Locks the runs that made some records, in the order of their ids. Waits for a transaction that summarises them.
SELECT count(*)
FROM (
    SELECT run_id
    FROM batch_runs
    WHERE run_id IN (
        SELECT attendances.run_id
        FROM jsonb_to_recordset(CAST(:input_rows AS jsonb)) AS input(id bigint)
        JOIN attendances ON attendances.id = input.id
    )
    ORDER BY run_id
    FOR NO KEY UPDATE
) locked
