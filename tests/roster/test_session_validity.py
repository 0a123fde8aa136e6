"""The days on which sessions are valid, when rosters change."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.platform.ids import Batch
from adsum.roster.by_source.rules import SourcedClass, SourcedSession
from adsum.roster.by_source.service import SourcedRoster
from adsum.roster.repository.session_validity import is_valid
from tests.roster.conftest import TODAY, Importing, counts
from tests.roster.files import Roster, a_school
from tests.support.runs import make_run
from tests.support.schools import SchoolIds

TOMORROW = TODAY + timedelta(days=1)
IN_A_WEEK = TODAY + timedelta(days=7)
LONG_AGO = date(2000, 1, 1)


def with_periods(periods: str) -> Roster:
    roster = a_school()
    roster.row("classes", "class-1")["periods"] = periods
    return roster


async def import_periods(importing: Importing, periods: str, today: date, **options: Any) -> None:
    importing.today = today
    await importing.run(with_periods(periods), **options)


async def valid(importing: Importing, day: date) -> list[str]:
    """The periods of the sessions that are valid on a day."""
    async with importing.database.snapshot() as connection:
        found = select(tables.sessions.c.period).where(is_valid(day)).order_by(tables.sessions.c.period)
        return list(await connection.scalars(found))


async def record(importing: Importing, day: date) -> None:
    """Submits the first session."""
    async with importing.database.transaction() as connection:
        session = (await connection.execute(select(tables.sessions).limit(1))).one()
        school = SchoolIds(1, session.class_id, session.id, [1], 1)
        await make_run(connection, school, [], batch=Batch(session.class_id, session.id, day))


async def test_the_sessions_with_which_a_class_starts_are_valid_since_ever(importing: Importing) -> None:
    await import_periods(importing, "1,2", TODAY)
    assert await valid(importing, LONG_AGO) == ["1", "2"]


async def test_a_renamed_period_is_valid_until_and_the_new_one_from_the_day_of_the_import(importing: Importing) -> None:
    await import_periods(importing, "1,2", TODAY)
    await import_periods(importing, "2,3", IN_A_WEEK)

    days = (LONG_AGO, IN_A_WEEK - timedelta(days=1), IN_A_WEEK)
    assert [await valid(importing, day) for day in days] == [["1", "2"], ["1", "2"], ["2", "3"]]
    before = await importing.rows(tables.sessions)
    assert counts(await importing.run(with_periods("2,3")))["sessions"] == (0, 0, 0, 2)
    await import_periods(importing, "2,3", IN_A_WEEK + timedelta(days=1))
    assert await importing.rows(tables.sessions) == before


async def test_a_period_that_comes_back_is_not_valid_in_between(importing: Importing) -> None:
    await import_periods(importing, "1,2", TODAY)
    await import_periods(importing, "2", TOMORROW)
    await import_periods(importing, "1,2", IN_A_WEEK)

    days = (TODAY, TOMORROW, IN_A_WEEK - timedelta(days=1), IN_A_WEEK)
    assert ["1" in await valid(importing, day) for day in days] == [True, False, False, True]


async def test_a_period_that_comes_back_on_the_day_of_its_end_was_never_away(importing: Importing) -> None:
    await import_periods(importing, "1,2", TODAY)
    await import_periods(importing, "2", TOMORROW)
    await import_periods(importing, "1,2", TOMORROW)

    assert [await valid(importing, day) for day in (TODAY, TOMORROW)] == [["1", "2"], ["1", "2"]]
    assert await importing.rows(tables.session_gaps) == []


async def test_a_period_that_ends_again_on_the_day_of_an_earlier_end_is_away_once(importing: Importing) -> None:
    returns = [TODAY + timedelta(days=days) for days in (5, 9)]
    await import_periods(importing, "1,2", TODAY - timedelta(days=1))
    for day in returns:
        await import_periods(importing, "2", day, valid_from=TODAY)
        await import_periods(importing, "1,2", day)

    (gap,) = await importing.rows(tables.session_gaps)
    assert (gap["begin_date"], gap["end_date"]) == (TODAY, returns[-1])


async def test_a_period_that_came_and_went_on_one_day_was_never_valid(importing: Importing) -> None:
    await import_periods(importing, "1", TODAY)
    await import_periods(importing, "3", TOMORROW)
    await import_periods(importing, "1", TOMORROW)
    assert [await valid(importing, day) for day in (TODAY, TOMORROW, IN_A_WEEK)] == [["1"], ["1"], ["1"]]
    await import_periods(importing, "3", IN_A_WEEK)
    assert [await valid(importing, day) for day in (TOMORROW, IN_A_WEEK)] == [["1"], ["3"]]


async def test_the_sessions_of_a_class_that_leaves_the_roster_end_and_come_back_with_it(importing: Importing) -> None:
    roster = a_school(classes=2)
    await importing.run(roster)
    gone = roster.row("classes", "class-2")
    roster.drop("classes", "class-2")
    importing.today = TOMORROW
    await importing.run(roster, allow_removals=True)
    assert [len(await valid(importing, day)) for day in (TODAY, TOMORROW)] == [2, 1]
    roster.tables["classes"].append(gone)
    importing.today = IN_A_WEEK
    await importing.run(roster)
    assert [len(await valid(importing, day)) for day in (TODAY, TOMORROW, IN_A_WEEK)] == [2, 1, 2]


@pytest.mark.parametrize("is_recorded", [False, True])
async def test_a_period_beside_others_is_valid_since_ever_until_something_is_recorded(
    importing: Importing, is_recorded: bool
) -> None:
    await import_periods(importing, "1", TODAY)
    if is_recorded:
        await record(importing, TODAY)
    await import_periods(importing, "1,2", TOMORROW)
    assert [await valid(importing, day) for day in (LONG_AGO, TOMORROW)] == [
        ["1"] if is_recorded else ["1", "2"],
        ["1", "2"],
    ]


@pytest.mark.parametrize("day", [TODAY, IN_A_WEEK + timedelta(days=7)])
async def test_an_import_may_name_the_day_of_the_change(importing: Importing, day: date) -> None:
    await import_periods(importing, "1", TODAY)
    await import_periods(importing, "3", IN_A_WEEK, valid_from=day)
    await import_periods(importing, "3", IN_A_WEEK)
    assert [await valid(importing, each) for each in (day - timedelta(days=1), day)] == [["1"], ["3"]]


async def test_the_first_sessions_of_a_class_are_valid_from_a_day_that_the_import_names(importing: Importing) -> None:
    await import_periods(importing, "1", TODAY, valid_from=IN_A_WEEK)
    await import_periods(importing, "1,2", TODAY)
    assert [await valid(importing, day) for day in (LONG_AGO, TODAY, IN_A_WEEK)] == [[], ["2"], ["1", "2"]]


async def test_a_platform_sets_a_class_up_session_by_session_and_changes_it_later(importing: Importing) -> None:
    now = datetime.combine(TODAY, time(12), UTC)
    roster = SourcedRoster(importing.database, lambda: now)
    async with importing.database.transaction() as connection:
        await connection.execute(insert(tables.schools).values(name="Lindenhof", time_zone="UTC"))
    caller = system_caller()

    async def put(period: str, *, active: bool = True, valid_from: date | None = None) -> None:
        row = SourcedSession("c-1", period, period, active)
        await roster.put_session(1, f"p-{period}", row, caller, valid_from=valid_from)

    await roster.put_class(1, "c-1", SourcedClass("7b"), caller)
    await put("1")
    await put("2")
    assert await valid(importing, LONG_AGO) == ["1", "2"]
    now = datetime.combine(TOMORROW, time(12), UTC)
    await put("1", active=False)
    await put("3")
    assert [await valid(importing, day) for day in (TODAY, TOMORROW)] == [["1", "2"], ["2", "3"]]
    now = datetime.combine(IN_A_WEEK, time(12), UTC)
    await roster.put_class(1, "c-1", SourcedClass("7b", active=False), caller)
    assert [await valid(importing, day) for day in (TOMORROW, IN_A_WEEK)] == [["2", "3"], []]
    await roster.put_class(1, "c-1", SourcedClass("7b"), caller)
    assert await valid(importing, IN_A_WEEK) == ["2", "3"]
    await put("2", active=False, valid_from=TOMORROW)
    await put("4", valid_from=TOMORROW)
    assert [await valid(importing, day) for day in (TODAY, TOMORROW)] == [["1", "2"], ["3", "4"]]
