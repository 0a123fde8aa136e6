"""The registers of past days after a roster or a timetable has changed: the office's numbers agree."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import insert, select

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.registers.rules import RegisterCount, RegisterFilters, RegisterState
from adsum.registers.service import Registers
from adsum.roster.timetable.service import Timetables
from adsum.schools.calendar.rules import SessionTime
from tests.roster.conftest import Importing, importing
from tests.roster.files import Roster, a_school
from tests.support.schools import make_records

__all__ = ["importing"]

CALLER = system_caller()
TODAY = date(2024, 12, 4)
YESTERDAY, LAST_WEEK = TODAY - timedelta(days=1), TODAY - timedelta(days=7)


@pytest.fixture
def registers(importing: Importing) -> Registers:
    return Registers(importing.database, lambda: datetime.combine(TODAY, time(12), UTC))


def with_periods(periods: str) -> Roster:
    roster = a_school()
    roster.row("classes", "class-1")["periods"] = periods
    return roster


async def import_on(importing: Importing, day: date, periods: str) -> None:
    importing.today = day
    await importing.run(with_periods(periods))


async def take(importing: Importing, period: str, day: date) -> None:
    s = tables.sessions.c
    async with importing.database.transaction() as connection:
        session = (await connection.execute(select(s.id, s.class_id).where(s.period == period))).one()
        students = list(await connection.scalars(select(tables.students.c.id)))
        await make_records(connection, 1, [Batch(session.class_id, session.id, day)], students)


async def listed(registers: Registers, day: date) -> list[tuple[str, RegisterState]]:
    """The registers of a day by title; their number is also what is counted."""
    filters = RegisterFilters(day=day, missing_only=False)
    found = (await registers.page(CALLER, filters, PageRequest())).items
    taken = sum(each.state is RegisterState.TAKEN for each in found)
    assert await registers.count(CALLER, filters) == RegisterCount(len(found), taken)
    return [(each.session_title, each.state) for each in found]


async def test_what_was_taken_in_a_renamed_period_stays_taken_and_the_new_one_is_not_missing_before(
    importing: Importing, registers: Registers
) -> None:
    await import_on(importing, LAST_WEEK, "1")
    for day in (LAST_WEEK, YESTERDAY):
        await take(importing, "1", day)
    await import_on(importing, TODAY, "3")

    assert await listed(registers, LAST_WEEK) == [("Period 1", RegisterState.TAKEN)]
    assert await listed(registers, YESTERDAY) == [("Period 1", RegisterState.TAKEN)]
    assert await listed(registers, YESTERDAY - timedelta(days=1)) == [("Period 1", RegisterState.MISSING)]
    assert await listed(registers, TODAY) == [("Period 3", RegisterState.MISSING)]


async def test_what_was_taken_on_the_day_of_the_change_stays_listed_beside_the_new_period(
    importing: Importing, registers: Registers
) -> None:
    await import_on(importing, LAST_WEEK, "1")
    await take(importing, "1", TODAY)
    await import_on(importing, TODAY, "3")

    assert await listed(registers, TODAY) == [("Period 1", RegisterState.TAKEN), ("Period 3", RegisterState.MISSING)]


async def test_what_was_taken_in_a_class_that_left_the_roster_stays_listed(
    importing: Importing, registers: Registers
) -> None:
    roster = a_school(classes=2)
    await importing.run(roster)
    roster.drop("classes", "class-2")
    importing.today = TODAY
    await importing.run(roster, allow_removals=True)

    assert len(await listed(registers, YESTERDAY)) == 2
    assert len(await listed(registers, TODAY)) == 1


async def test_a_register_that_is_taken_afterwards_for_a_day_before_its_session_is_listed_there(
    importing: Importing, registers: Registers
) -> None:
    await import_on(importing, LAST_WEEK, "1")
    await import_on(importing, TODAY, "3")
    await take(importing, "3", YESTERDAY)

    assert await listed(registers, YESTERDAY) == [
        ("Period 1", RegisterState.MISSING),
        ("Period 3", RegisterState.TAKEN),
    ]


async def test_a_moved_session_is_due_on_the_weekdays_that_it_had(importing: Importing, registers: Registers) -> None:
    await import_on(importing, LAST_WEEK, "1")
    async with importing.database.snapshot() as connection:
        session_id = (await connection.scalars(select(tables.sessions.c.id))).one()
    timetables = Timetables(importing.database, lambda: datetime.combine(TODAY, time(12), UTC))
    tuesday, wednesday = SessionTime(2, "08:00", "08:45"), SessionTime(3, "10:00", "10:45")
    await timetables.replace(session_id, [tuesday], CALLER)
    await timetables.replace(session_id, [wednesday], CALLER)

    assert await listed(registers, YESTERDAY) == [("Period 1", RegisterState.MISSING)]
    (register,) = (await registers.page(CALLER, RegisterFilters(day=YESTERDAY), PageRequest())).items
    assert register.times == (("08:00", "08:45"),)
    assert await listed(registers, LAST_WEEK) == []
    assert await listed(registers, TODAY) == [("Period 1", RegisterState.MISSING)]
    (register,) = (await registers.page(CALLER, RegisterFilters(), PageRequest())).items
    assert register.times == (("10:00", "10:45"),)
    assert await timetables.times(session_id, CALLER, YESTERDAY) == [tuesday]
    assert await timetables.times(session_id, CALLER) == [wednesday]


async def test_an_early_closing_of_a_past_day_applies_to_the_times_of_that_day(
    importing: Importing, registers: Registers
) -> None:
    await import_on(importing, LAST_WEEK, "1")
    timetables = Timetables(importing.database, lambda: datetime.combine(TODAY, time(12), UTC))
    await timetables.replace(1, [SessionTime(2, "14:00", "14:45")], CALLER)
    await timetables.replace(1, [SessionTime(2, "08:00", "08:45")], CALLER)
    heat = {"reason": "Heat", "created_at": datetime.now(UTC), "created_role": "office", "from_time": "12:00"}
    async with importing.database.transaction() as connection:
        await connection.execute(insert(tables.closed_days).values(school_id=1, day=YESTERDAY, **heat))
    assert await listed(registers, YESTERDAY) == []
