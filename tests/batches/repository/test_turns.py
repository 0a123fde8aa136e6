"""The turns of sessions, and runs that are made only if nothing has happened since they were decided upon."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from uuid6 import uuid7

from adsum.accounts.access import system_caller
from adsum.batches.plan import Plan
from adsum.batches.repository import new_runs
from adsum.batches.repository.new_runs import NewRun
from adsum.batches.repository.runs import Run
from adsum.batches.repository.standing import find_standing
from adsum.batches.rules import OnExisting, RunState
from adsum.platform.database.engine import Connection, Database
from adsum.roster.session_fence import advance_fences
from tests.support.runs import ACCEPTED_AT, DAY, batch_of, end_run, fence_of, inserts
from tests.support.schools import SchoolIds, make_record, make_school
from tests.support.waiting import somebody_waits_for_a_lock, until


async def decided(connection: Connection, school: SchoolIds, day: date = DAY) -> NewRun:
    """A run for whoever is in the class, in sight of what stands now."""
    batch, plan = batch_of(school, day), Plan(tuple(inserts(school.student_ids)), (), ())
    run = Run(str(uuid7()), school.school_id, batch, RunState.OPEN, 500, (plan.jobs,), ACCEPTED_AT)
    turn, standing = await fence_of(connection, batch), (await find_standing(connection, [batch]))[batch]
    return NewRun(run, plan, turn, standing.number, OnExisting.SKIP, system_caller())


async def made(database: Database, *new: NewRun) -> set[str]:
    async with database.transaction() as connection:
        return await new_runs.insert_runs(connection, new)


async def test_a_run_is_made_if_nothing_has_happened_since(database: Database, school: SchoolIds) -> None:
    async with database.autocommit_read() as connection:
        new = await decided(connection, school)
    assert await made(database, new) == {new.run.run_id}


async def test_a_run_is_not_made_after_another_one_not_even_if_that_has_ended(
    database: Database, school: SchoolIds
) -> None:
    async with database.autocommit_read() as connection:
        first, second, third = [await decided(connection, school) for _ in range(3)]
    assert await made(database, first) == {first.run.run_id}
    assert not await made(database, second), "it is open"
    async with database.transaction() as connection:
        await end_run(connection, first.run, RunState.CLOSED)
    assert not await made(database, third), "what it recorded was not seen"
    async with database.autocommit_read() as connection:
        again = await decided(connection, school)
    assert await made(database, again) == {again.run.run_id}


async def test_a_run_is_not_made_if_a_turn_was_taken_since_and_others_are(database: Database) -> None:
    async with database.transaction() as connection:
        schools = [await make_school(connection) for _ in range(3)]
    async with database.autocommit_read() as connection:
        new = [await decided(connection, each) for each in schools]
    async with database.transaction() as connection:
        assert await advance_fences(connection, [schools[1].session_id]) == {schools[1].session_id: 1}
    assert await made(database, *new) == {new[0].run.run_id, new[2].run.run_id}


async def test_whose_turn_somebody_has_waits_for_nobody_and_is_not_made(postgres_database: Database) -> None:
    async with postgres_database.transaction() as connection:
        held, free = [await make_school(connection) for _ in range(2)]
        new = [await decided(connection, each) for each in (held, free)]
    async with postgres_database.transaction() as holding:
        await advance_fences(holding, [held.session_id])
        async with asyncio.timeout(5):
            assert await made(postgres_database, *new) == {new[1].run.run_id}


async def test_who_has_the_turn_makes_a_run_of_what_stands_then(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        await advance_fences(connection, [school.session_id])
        new = await decided(connection, school)
        assert await new_runs.insert_runs(connection, [new]) == {new.run.run_id}


async def test_two_who_take_the_turn_of_one_session_come_one_after_the_other(
    postgres_database: Database, postgres_school: SchoolIds
) -> None:
    session_id, order = postgres_school.session_id, list[str]()
    has_turn, may_go = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with postgres_database.transaction() as connection:
            assert await advance_fences(connection, [session_id]) == {session_id: 1}
            has_turn.set()
            await may_go.wait()
            order.append("first")

    async def second() -> None:
        await has_turn.wait()
        async with postgres_database.transaction() as connection:
            assert await advance_fences(connection, [session_id]) == {session_id: 2}
            order.append("second")

    async def release() -> None:
        """Once the second waits for the first, as Postgres itself says."""
        await has_turn.wait()
        await until(lambda: somebody_waits_for_a_lock(postgres_database))
        order.append("waited")
        may_go.set()

    await asyncio.gather(first(), second(), release())
    assert order == ["waited", "first", "second"]


async def test_a_turn_counts_up_however_many_take_it_at_once(database: Database, school: SchoolIds) -> None:
    async def take() -> None:
        async with database.transaction() as connection:
            await advance_fences(connection, [school.session_id])

    await asyncio.gather(*(take() for _ in range(5)))
    async with database.autocommit_read() as connection:
        assert await fence_of(connection, batch_of(school)) == 5


async def test_taking_a_turn_does_not_stop_workers_who_record_in_that_session(
    postgres_database: Database, postgres_school: SchoolIds
) -> None:
    async with postgres_database.transaction() as accepting:
        await advance_fences(accepting, [postgres_school.session_id])
        async with asyncio.timeout(5), postgres_database.transaction() as working:
            await make_record(working, postgres_school.school_id, batch_of(postgres_school), 1)


async def test_runs_of_two_days_of_one_session_are_made_together(database: Database, school: SchoolIds) -> None:
    async with database.autocommit_read() as connection:
        days = [await decided(connection, school, DAY - timedelta(days)) for days in (0, 1)]
    assert await made(database, *days) == {each.run.run_id for each in days}
