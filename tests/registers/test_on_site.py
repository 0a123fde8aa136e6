"""The students who are on site, by the registers of today."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from adsum.accounts.access import Caller, Role
from adsum.attendance.statuses.repository import set_status
from adsum.attendance.statuses.rules import CountsAs, Status, StatusFlag
from adsum.attendance.tables import attendances
from adsum.platform.clock import Clock
from adsum.platform.errors import Forbidden
from adsum.platform.paging import PageRequest
from adsum.registers.on_site.service import OnSite, OnSiteCount
from adsum.schools.calendar.repository import close_day
from adsum.schools.calendar.rules import ClosedDay, SessionTime
from tests.reports.conftest import MONDAY, WEEK, Reported
from tests.support.schools import caller, give_times, make_session, make_user


def at_noon() -> datetime:
    return datetime(2024, 9, 2, 12, tzinfo=UTC)


async def on_site(reported: Reported, actor: Caller | None = None) -> list[int]:
    page = await OnSite(reported.database, at_noon).page(
        reported.school.school_id, actor or reported.office, PageRequest()
    )
    return [reported.school.student_ids.index(row.student_id) for row in page.items]


async def test_the_mark_of_the_latest_session_of_today_decides_who_is_on_site(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        later = await make_session(connection, reported.school.class_id, period="2")
        times = {
            reported.school.session_id: [SessionTime(1, "08:00", "09:00")],
            later: [SessionTime(1, "09:00", "10:00")],
        }
        await give_times(connection, times)
    await reported.take(MONDAY, {0: "absent", 1: "present"}, later)
    await reported.take(MONDAY, {0: "present", 1: "present", 2: "late"})
    await reported.take(WEEK[1], {0: "present"})

    assert await on_site(reported) == [1, 2]


async def test_a_student_who_left_or_is_off_site_is_not_on_site(reported: Reported) -> None:
    trip = Status("trip", "Trip", "T", CountsAs.ATTENDED, frozenset({StatusFlag.OFF_SITE}))
    async with reported.database.transaction() as connection:
        await set_status(connection, reported.school.school_id, trip)
    await reported.take(MONDAY, {0: "trip", 1: "present", 2: "present"})
    async with reported.database.transaction() as connection:
        of_bo = attendances.c.student_id == reported.school.student_ids[1]
        await connection.execute(update(attendances).where(of_bo).values(left_at="11:00"))

    assert await on_site(reported) == [2]


async def test_a_teacher_sees_their_own_classes_and_names_need_a_permission(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "present"})
    async with reported.database.transaction() as connection:
        stranger = await make_user(connection, Role.TEACHER, reported.school.school_id)

    assert await on_site(reported, reported.teacher) == [0]
    assert await on_site(reported, caller(Role.TEACHER, reported.school.school_id, stranger)) == []
    with pytest.raises(Forbidden):
        await on_site(reported, caller(Role.OPERATOR, reported.school.school_id))


async def unknown(reported: Reported, actor: Caller | None = None, now: Clock = at_noon) -> list[int]:
    service, school = OnSite(reported.database, now), reported.school
    first = await service.unknown_page(school.school_id, actor or reported.office, PageRequest(limit=1))
    rest = first.next_cursor and await service.unknown_page(
        school.school_id, actor or reported.office, PageRequest(first.next_cursor)
    )
    rows = [*first.items, *(rest.items if rest else ())]
    assert {row.class_title for row in rows} <= {"7b"}
    return [school.student_ids.index(row.student_id) for row in rows]


async def test_a_student_whose_due_register_has_no_mark_is_unknown(reported: Reported) -> None:
    assert await unknown(reported) == [0, 1, 2]
    await reported.take(WEEK[1], {0: "present", 1: "present", 2: "present"})
    await reported.take(MONDAY, {0: "present", 1: "absent"})
    assert await unknown(reported) == [2]
    async with reported.database.transaction() as connection:
        of_bo = attendances.c.student_id == reported.school.student_ids[1]
        await connection.execute(update(attendances).where(of_bo).values(status=None))
    assert await unknown(reported) == [1, 2]


async def test_nobody_is_unknown_before_the_first_session_on_a_closed_day_or_at_the_weekend(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        await give_times(connection, {reported.school.session_id: [SessionTime(1, "12:00", "13:00")]})
    assert await unknown(reported) == [0, 1, 2]
    assert await unknown(reported, now=lambda: at_noon() - timedelta(minutes=1)) == []
    assert await unknown(reported, now=lambda: at_noon() + timedelta(days=1)) == []
    async with reported.database.transaction() as connection:
        closed = ClosedDay(MONDAY, "snow")
        await close_day(connection, reported.school.school_id, closed, reported.office, at_noon())
    assert await unknown(reported) == []


async def test_an_unknown_student_is_listed_once_with_the_session_that_began_last(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        later = await make_session(connection, reported.school.class_id, period="2")
        afternoon = await make_session(connection, reported.school.class_id, period="3")
        times = {
            reported.school.session_id: [SessionTime(1, "08:00", "09:00")],
            later: [SessionTime(1, "09:00", "10:00")],
            afternoon: [SessionTime(1, "14:00", "15:00")],
        }
        await give_times(connection, times)
    await reported.take(MONDAY, {0: "present"})
    everybody = await OnSite(reported.database, at_noon).everybody(reported.school.school_id, reported.office)
    assert [(row.family_name, row.session_id) for row in everybody.unknown] == [
        ("Family 0002", later),
        ("Family 0003", later),
    ]


async def test_a_teacher_sees_the_unknown_of_their_own_classes(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        stranger = await make_user(connection, Role.TEACHER, reported.school.school_id)
    assert await unknown(reported, reported.teacher) == [0, 1, 2]
    assert await unknown(reported, caller(Role.TEACHER, reported.school.school_id, stranger)) == []
    with pytest.raises(Forbidden):
        await unknown(reported, caller(Role.OPERATOR, reported.school.school_id))


async def test_everybody_is_listed_by_name_and_counted(reported: Reported) -> None:
    service = OnSite(reported.database, at_noon)
    await reported.take(MONDAY, {0: "present", 2: "late"})
    everybody = await service.everybody(reported.school.school_id, reported.office)

    assert [row.family_name for row in everybody.on_site] == ["Family 0001", "Family 0003"]
    assert [row.family_name for row in everybody.unknown] == ["Family 0002"]
    assert await service.count(reported.school.school_id, reported.office) == OnSiteCount(2, 1)
