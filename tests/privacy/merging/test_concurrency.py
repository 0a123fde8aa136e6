"""Merges, erasures and other changes of the same students at once, on Postgres."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import insert, select

from adsum.absences.rules import Absence
from adsum.absences.service import Absences
from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.platform.clock import system_clock
from adsum.platform.database import contention
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Database, Deadlocked, RowExists
from adsum.platform.database.reading import StandbyReader
from adsum.privacy.merging.rules import MergeChoices
from adsum.privacy.merging.service import StudentMerges
from adsum.privacy.service import StudentData
from tests.support.schools import SchoolIds, make_school
from tests.support.waiting import until, waiting_for_locks

CONFIRMED = MergeChoices(allow_different_names=True)
DAY = date(2024, 12, 25)


def now() -> datetime:
    return datetime(2024, 12, 25, 8, tzinfo=UTC)


@pytest.fixture
def database(postgres_database: Database) -> Database:
    return postgres_database


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        return await make_school(connection, students=2)


async def absent_students(database: Database) -> list[int]:
    async with database.snapshot() as connection:
        return list(await connection.scalars(select(tables.absences.c.student_id).order_by(tables.absences.c.id)))


async def test_a_merge_that_is_ended_to_resolve_a_deadlock_is_repeated(database: Database, school: SchoolIds) -> None:
    kept, removed = school.student_ids
    absences, merges = Absences(database, StandbyReader(database), now), StudentMerges(database, now)
    trip = Absence(DAY, DAY, "excused", reason="trip")
    await absences.add([removed], trip, system_caller())
    async with database.transaction() as connection:
        await connection.execute(select(tables.absences.c.id).with_for_update())
        merged = asyncio.create_task(merges.merge(kept, removed, CONFIRMED, system_caller()))

        async def waits() -> bool:
            return await waiting_for_locks(database) == 1

        await until(waits)
        # The merge has locked the school and waits for the absence. Postgres ends it, since it waits for longer.
        await connection.execute(select(tables.schools.c.id).with_for_update())

    await merged

    assert await absent_students(database) == [kept]


@pytest.mark.parametrize("merges", [True, False], ids=["merge", "erasure"])
async def test_absences_are_locked_before_fences(database: Database, school: SchoolIds, merges: bool) -> None:
    """As by a change of an absence. Otherwise each of the two could hold what the other one waits for."""
    kept, removed = school.student_ids
    await Absences(database, StandbyReader(database), now).add(
        [removed], Absence(DAY, DAY, "excused", reason="trip"), system_caller()
    )
    async with database.transaction() as connection:
        await connection.execute(select(tables.absences.c.id).with_for_update())
        changed = asyncio.create_task(
            StudentMerges(database, now).merge(kept, removed, CONFIRMED, system_caller())
            if merges
            else StudentData(database, system_clock).erase(removed, system_caller())
        )

        async def waits() -> bool:
            return changed.done() or await waiting_for_locks(database) == 1

        await until(waits)
        await connection.execute(select(tables.sessions.c.id).with_for_update())

    await changed


async def test_a_transaction_that_adds_a_row_which_another_one_has_added_is_repeated(
    database: Database, school: SchoolIds
) -> None:
    attempts: list[bool] = []
    values = {"school_id": school.school_id, "source_id": "s-1", "given_name": "Ada", "family_name": "Byron"}

    @repeats_if_contended
    async def add() -> None:
        async with database.transaction() as connection:
            is_stored = await connection.scalar(
                select(tables.students.c.id).where(tables.students.c.source_id == "s-1")
            )
            attempts.append(is_stored is not None)
            if is_stored:
                return
            async with database.transaction() as other:
                await other.execute(insert(tables.students).values(values))
            await connection.execute(insert(tables.students).values(values))

    await add()

    assert attempts == [False, True]


@pytest.mark.parametrize("error", [Deadlocked, RowExists])
async def test_the_error_is_raised_after_three_attempts(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(contention, "LONGEST_PAUSE_S", 0)
    attempts: list[int] = []

    @repeats_if_contended
    async def fail() -> None:
        attempts.append(1)
        raise error("contended")

    with pytest.raises(error):
        await fail()
    assert len(attempts) == contention.ATTEMPTS
