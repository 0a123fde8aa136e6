"""Services of the admin pages: calendar, timetable, and sizes of schools."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.accounts.access import Role
from adsum.platform.errors import Forbidden, Invalid, NotFound
from adsum.platform.paging import PageRequest
from adsum.roster.rules import SchoolSize
from adsum.schools.calendar.rules import ClosedDay, ClosedDayFilters, SessionTime
from adsum.wiring import Adsum
from tests.support.schools import caller, make_bare_school, make_class, make_school, make_session, make_user

CHRISTMAS = date(2024, 12, 23)


async def test_consecutive_days_are_all_closed_or_none(adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school_id = (await make_school(connection)).school_id
    office = caller(Role.OFFICE, school_id)
    closed = ClosedDay(CHRISTMAS, "Christmas")
    for last, code in ((date(2024, 12, 22), "days_reversed"), (date(2026, 1, 1), "out_of_range")):
        with pytest.raises(Invalid) as caught:
            await adsum.school_calendar.close_days(school_id, closed, last, office)
        assert [violation.code for violation in caught.value.violations] == [code]

    rows = await adsum.school_calendar.close_days(school_id, closed, date(2025, 1, 3), office)
    page = await adsum.school_calendar.closed_days(school_id, ClosedDayFilters(), office, PageRequest())
    assert [row.day for row in page.items] == [row.day for row in rows]
    assert (rows[0].day, rows[-1].day, len(rows)) == (CHRISTMAS, date(2025, 1, 3), 12)


async def test_the_times_of_many_classes_are_read_in_one_call(adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
        english = await make_session(connection, school.class_id, period="2")
        await make_session(connection, school.class_id, period="3", active=False)
        other = await make_class(connection, await make_bare_school(connection))
        await make_session(connection, other)
    office = caller(Role.OFFICE, school.school_id)
    times = [SessionTime(1, "08:00", "08:45"), SessionTime(3, "10:00", "10:45")]
    await adsum.timetables.replace(english, times[::-1], office)

    found = await adsum.timetables.of_classes(school.school_id, [school.class_id, other], office)
    assert [(session.id, each) for session, each in found] == [(school.session_id, []), (english, times)]
    teacher = caller(Role.TEACHER, school.school_id)
    with pytest.raises(Forbidden):
        await adsum.timetables.of_classes(school.school_id, [school.class_id], teacher)


async def test_visible_schools_and_classes_are_found_with_their_sizes(adsum: Adsum) -> None:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
        await make_class(connection, school.school_id, active=False)
        await make_user(connection, Role.TEACHER, school.school_id, disabled=True)
        other = await make_school(connection)
    office = caller(Role.OFFICE, school.school_id)
    row = await adsum.schools.find(school.school_id, office)
    assert await adsum.directory.sizes_of_schools([row.id], office) == {school.school_id: SchoolSize(1, 3, 1)}
    assert (await adsum.directory.find_class(office, school.class_id)).school_id == school.school_id
    with pytest.raises(NotFound):
        await adsum.schools.find(other.school_id, office)
    with pytest.raises(NotFound):
        await adsum.directory.find_class(office, other.class_id)
