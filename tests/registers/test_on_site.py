"""The students who are on site, by the registers of today."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import update

from adsum.accounts.access import Caller, Role
from adsum.attendance.statuses.repository import set_status
from adsum.attendance.statuses.rules import CountsAs, Status, StatusFlag
from adsum.attendance.tables import attendances
from adsum.platform.errors import Forbidden
from adsum.platform.paging import PageRequest
from adsum.registers.on_site.service import OnSite
from adsum.schools.calendar.rules import SessionTime
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


async def test_everybody_is_listed_by_name_and_counted(reported: Reported) -> None:
    service = OnSite(reported.database, at_noon)
    await reported.take(MONDAY, {0: "present", 1: "absent", 2: "late"})
    everybody = await service.everybody(reported.school.school_id, reported.office)

    assert [row.family_name for row in everybody] == ["Family 0001", "Family 0003"]
    assert await service.count(reported.school.school_id, reported.office) == 2
