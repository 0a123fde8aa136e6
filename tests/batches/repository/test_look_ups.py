"""Hot statements on Postgres use indexes, for any number of records."""

from __future__ import annotations

from sqlalchemy import text

from adsum.batches.repository import jobs, runs
from adsum.batches.repository.listing import list_jobs
from adsum.batches.repository.submissions import load_snapshots
from adsum.platform.database.engine import Connection, Database
from tests.support.runs import LATER, inserts, make_run, slices
from tests.support.schools import MARKED_AT, RUN_ID, make_school

RECORDED = 20_000
# Records of an old session, of no class in this test.
RECORDS = text("""
    INSERT INTO attendances (school_id, class_id, session_id, learning_date, student_id, status, marked_at, marked_role,
                             run_id)
    SELECT 0, 0, 0, '1999-09-09', number, 'present', :marked_at, 'admin', CAST(:run_id AS uuid)
    FROM generate_series(1, :count) AS number""")
READ_WHOLE = text("SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'attendances'")


async def test_no_statement_reads_all_records_to_find_those_of_a_class(postgres_database: Database) -> None:
    async with postgres_database.transaction() as connection:
        school = await make_school(connection, students=30)
        await connection.execute(RECORDS, {"marked_at": MARKED_AT, "run_id": RUN_ID, "count": RECORDED})
        run = await make_run(connection, school, inserts(school.student_ids))
        assert [bool(each.closed) for each in await jobs.record_jobs(connection, slices(run), LATER)] == [True]
        assert [each.pending for each in await jobs.slice_outcomes(connection, slices(run))] == [0]
        assert await jobs.pending_students(connection, slices(run)) == {}
        await jobs.update_records(connection, slices(run))
        assert len((await load_snapshots(connection, [run.batch]))[run.batch].records) == 30
        assert (
            len(await list_jobs(connection, run.batch, run.run_id, alone=True, outcome=None, after=0, limit=30)) == 30
        )
        assert await runs.close_runs(connection, [run.run_id], LATER) == {}
        assert await read_whole(connection) == 0


async def read_whole(connection: Connection) -> int:
    return (await connection.execute(READ_WHOLE)).scalar_one()
