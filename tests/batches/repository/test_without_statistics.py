"""Right after a bulk insert Postgres has no statistics. No statement then compares each record of a batch with each."""

from __future__ import annotations

from datetime import UTC, datetime

from adsum.accounts.access import system_caller
from adsum.batches.repository import jobs, runs
from adsum.batches.run import AttendanceJob, Run
from adsum.batches.undo import Undo
from adsum.platform.database.engine import Database
from tests.support.runs import LATER, inserts, make_run, slices, updates
from tests.support.schools import SchoolIds, make_school
from tests.support.statements import rows_handled, too_many

STUDENTS = 300


async def a_large_class(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        return await make_school(connection, students=STUDENTS)


async def recorded(database: Database, school: SchoolIds, wanted: list[AttendanceJob]) -> Run:
    """A closed run of these jobs, in two chunks."""
    async with database.transaction() as connection:
        run = await make_run(connection, school, wanted, chunk_size=STUDENTS // 2)
    for each in slices(run):
        async with database.transaction() as connection:
            await jobs.insert_records(connection, [each])
            await jobs.update_records(connection, [each])
            await jobs.fail_pending_jobs(connection, [each], "worker_died", LATER)
    async with database.transaction() as connection:
        assert (await runs.close_runs(connection, [run.run_id], LATER))[run.run_id].recorded == STUDENTS
    return run


async def undo(database: Database, run: Run) -> int:
    result = await Undo(database, lambda: datetime.now(UTC)).undo(run.batch.id, system_caller(), run_id=run.run_id)
    return result.undone


async def test_records_are_changed(postgres_database: Database) -> None:
    school = await a_large_class(postgres_database)
    await recorded(postgres_database, school, inserts(school.student_ids))
    with rows_handled(postgres_database) as handled:
        await recorded(postgres_database, school, updates(dict.fromkeys(school.student_ids, 1), "absent"))
    assert len(handled) > 5
    assert too_many(handled, STUDENTS) == []


async def test_new_records_are_set_back(postgres_database: Database) -> None:
    school = await a_large_class(postgres_database)
    run = await recorded(postgres_database, school, inserts(school.student_ids))
    with rows_handled(postgres_database) as handled:
        assert await undo(postgres_database, run) == STUDENTS
        assert await undo(postgres_database, run) == 0
    assert len(handled) > 5
    assert too_many(handled, STUDENTS) == []


async def test_changed_records_are_set_back_run_by_run(postgres_database: Database) -> None:
    school = await a_large_class(postgres_database)
    first = await recorded(postgres_database, school, inserts(school.student_ids))
    second = await recorded(postgres_database, school, updates(dict.fromkeys(school.student_ids, 1), "absent"))
    with rows_handled(postgres_database) as handled:
        assert [await undo(postgres_database, run) for run in (second, first)] == [STUDENTS, STUDENTS]
    assert too_many(handled, STUDENTS) == []
