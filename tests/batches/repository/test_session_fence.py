"""Session fences: a run is inserted only if its session is unchanged since the run was planned."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from adsum.accounts.access import system_caller
from adsum.batches.repository import runs
from adsum.batches.repository.submissions import load_snapshots
from adsum.batches.rules import RunState
from adsum.batches.run import Plan, Run
from adsum.platform.database.engine import Connection, Database
from adsum.roster.session_fence import advance_fences
from tests.support.runs import DAY, batch_of, end_run, fence_of, inserts, new_run
from tests.support.schools import SchoolIds, make_record, make_school
from tests.support.waiting import has_transaction_waiting_for_a_lock, until


async def decided(connection: Connection, school: SchoolIds, day: date = DAY) -> tuple[Run, int]:
    """Returns a run for the whole class, planned on the current state, and the fence of its session."""
    batch, plan = batch_of(school, day), Plan(tuple(inserts(school.student_ids)), (), ())
    fence, snapshot = await fence_of(connection, batch), (await load_snapshots(connection, [batch]))[batch]
    return new_run(school, plan, batch, snapshot.number + 1, caller=system_caller()), fence


async def inserted(connection: Connection, *new: tuple[Run, int]) -> set[str]:
    fences = {run.batch.session_id: fence for run, fence in new}
    return await runs.insert_runs(connection, [run for run, _ in new], fences)


async def made(database: Database, *new: tuple[Run, int]) -> set[str]:
    async with database.transaction() as connection:
        return await inserted(connection, *new)


async def test_a_run_is_inserted_if_its_fence_is_unchanged(database: Database, school: SchoolIds) -> None:
    async with database.autocommit_read() as connection:
        new = await decided(connection, school)
    assert await made(database, new) == {new[0].run_id}


async def test_a_run_is_not_inserted_after_another_run_even_if_that_has_ended(
    database: Database, school: SchoolIds
) -> None:
    async with database.autocommit_read() as connection:
        first, second, third = [await decided(connection, school) for _ in range(3)]
    assert await made(database, first) == {first[0].run_id}
    assert not await made(database, second), "it is open"
    async with database.transaction() as connection:
        await end_run(connection, first[0], RunState.CLOSED)
    assert not await made(database, third), "its records were not read"
    async with database.autocommit_read() as connection:
        again = await decided(connection, school)
    assert await made(database, again) == {again[0].run_id}


async def test_only_a_run_whose_fence_was_advanced_is_not_inserted(database: Database) -> None:
    async with database.transaction() as connection:
        schools = [await make_school(connection) for _ in range(3)]
    async with database.autocommit_read() as connection:
        new = [await decided(connection, each) for each in schools]
    async with database.transaction() as connection:
        assert await advance_fences(connection, [schools[1].session_id]) == {schools[1].session_id: 1}
    assert await made(database, *new) == {new[0][0].run_id, new[2][0].run_id}


async def test_a_run_whose_fence_is_held_is_not_inserted_and_does_not_wait(postgres_database: Database) -> None:
    async with postgres_database.transaction() as connection:
        held, free = [await make_school(connection) for _ in range(2)]
        new = [await decided(connection, each) for each in (held, free)]
    async with postgres_database.transaction() as holding:
        await advance_fences(holding, [held.session_id])
        async with asyncio.timeout(5):
            assert await made(postgres_database, *new) == {new[1][0].run_id}


async def test_the_holder_of_a_fence_inserts_a_run_decided_on_the_current_state(
    database: Database, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        await advance_fences(connection, [school.session_id])
        new = await decided(connection, school)
        assert await inserted(connection, new) == {new[0].run_id}


async def test_two_transactions_that_advance_one_fence_run_one_after_the_other(
    postgres_database: Database, postgres_school: SchoolIds
) -> None:
    session_id, order = postgres_school.session_id, list[str]()
    has_fence, may_go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with postgres_database.transaction() as connection:
            assert await advance_fences(connection, [session_id]) == {session_id: 1}
            has_fence.set()
            await may_go.wait()
            order.append("first")

    async def second() -> None:
        await has_fence.wait()
        async with postgres_database.transaction() as connection:
            assert await advance_fences(connection, [session_id]) == {session_id: 2}
            order.append("second")

    async def release() -> None:
        """Releases the first when Postgres reports that the second one waits for it."""
        await has_fence.wait()
        await until(lambda: has_transaction_waiting_for_a_lock(postgres_database))
        order.append("waited")
        may_go.set()

    await asyncio.gather(first(), second(), release())
    assert order == ["waited", "first", "second"]


async def test_a_fence_counts_each_of_several_concurrent_transactions(database: Database, school: SchoolIds) -> None:
    async def take() -> None:
        async with database.transaction() as connection:
            await advance_fences(connection, [school.session_id])

    await asyncio.gather(*(take() for _ in range(5)))
    async with database.autocommit_read() as connection:
        assert await fence_of(connection, batch_of(school)) == 5


async def test_holding_a_fence_does_not_block_workers_that_record_in_its_session(
    postgres_database: Database, postgres_school: SchoolIds
) -> None:
    async with postgres_database.transaction() as accepting:
        await advance_fences(accepting, [postgres_school.session_id])
        async with asyncio.timeout(5), postgres_database.transaction() as working:
            await make_record(working, postgres_school.school_id, batch_of(postgres_school), 1)


async def test_runs_of_two_days_of_one_session_are_inserted_together(database: Database, school: SchoolIds) -> None:
    async with database.autocommit_read() as connection:
        days = [await decided(connection, school, DAY - timedelta(days)) for days in (0, 1)]
    assert await made(database, *days) == {each[0].run_id for each in days}
