"""The numbers of a school year for the pages, each counted by hand."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import update

from adsum.accounts.access import Role
from adsum.attendance.closed_marks import marks_on_closed_days
from adsum.attendance.statuses.repository import set_status
from adsum.attendance.statuses.rules import CountsAs, Status
from adsum.platform.database.reading import StandbyReader
from adsum.platform.errors import Forbidden, Invalid, NotFound
from adsum.reports.rules import DEFAULT_CHRONIC_RULE, ChronicRule, Counts, ReportedMark, UsualDays
from adsum.reports.service import Summaries
from adsum.reports.year import Year
from adsum.roster.service import Directory
from adsum.roster.tables import students
from adsum.schools.calendar.rules import ClosedDay
from adsum.schools.calendar.service import SchoolCalendar
from tests.reports.conftest import MONDAY, WEEK, Reported
from tests.support.runs import LATER
from tests.support.schools import caller, enrol, make_bare_school, make_class, make_session, make_student


@pytest.fixture
def year(reported: Reported) -> Year:
    return Year(reported.database, StandbyReader(reported.database), Summaries(reported.database))


async def test_the_overview_of_a_school_has_all_numbers_and_offers_filters(reported: Reported, year: Year) -> None:
    ada, bo, cy = reported.school.student_ids
    async with reported.database.transaction() as connection:
        await connection.execute(update(students).where(students.c.id == ada).values(grade="07"))
    await reported.take(WEEK[0], {0: "present", 1: "absent", 2: "late"})
    await reported.take(WEEK[4], {0: "present", 1: "excused", 2: "present"})

    found = await year.overview(reported.scope(), ChronicRule(50, 2), reported.office)
    assert found.counts == Counts(6, 4, 2, 1, 1, 6, 2)
    assert found.days == {WEEK[0]: Counts(3, 2, 1, 0, 1, 3, 1), WEEK[4]: Counts(3, 2, 1, 1, 0, 3, 1)}
    assert [(rate.key, rate.counts) for rate in found.weeks] == [(MONDAY, found.counts)]
    assert [(rate.key, rate.counts.sessions) for rate in found.months] == [(date(2024, 9, 1), 6)]
    assert [(rate.key, rate.name, rate.counts) for rate in found.classes] == [
        (reported.school.class_id, "7b", found.counts)
    ]
    assert [(rate.key, rate.counts.sessions) for rate in found.grades] == [("07", 2), (None, 4)]
    assert [rate.key for rate in found.students] == [ada, bo, cy]
    assert found.chronic == 1  # Bo, on both days.

    async with reported.database.transaction() as connection:
        await connection.execute(update(students).where(students.c.id == ada).values(grade="07,08"))
    found = await year.overview(reported.scope(), ChronicRule(50, 2), reported.office)
    assert [(rate.key, rate.counts.sessions) for rate in found.grades] == [("07", 2), ("08", 2), (None, 4)]

    narrowed = await year.overview(reported.scope(grade="07"), DEFAULT_CHRONIC_RULE, reported.office)
    assert (narrowed.counts.sessions, narrowed.chronic) == (2, 0)
    choices = await year.filter_options(reported.scope(grade="07"), reported.office)
    assert ([rate.name for rate in choices.classes], choices.grades) == (["7b"], ["07", "08"])


async def test_a_teacher_reads_the_newest_day_and_the_marks_of_their_own_classes(
    reported: Reported, year: Year
) -> None:
    bo = reported.school.student_ids[1]
    async with reported.database.transaction() as connection:
        other = await make_class(connection, reported.school.school_id, title="Choir")
        session = await make_session(connection, other, title="Singing")
        await enrol(connection, other, reported.school.student_ids)
    assert await year.usual_days(reported.school.school_id, reported.teacher) is None

    await reported.take(WEEK[0], {0: "present", 1: "late"})
    await reported.take(WEEK[1], {1: "absent"}, session, class_id=other)
    school_id = reported.school.school_id
    first = date(2024, 6, 5)  # 90 days, the newest among them
    assert await year.usual_days(school_id, reported.teacher) == UsualDays(first, WEEK[0], is_year=False)

    late = ReportedMark(2, WEEK[0], "7b", "Attendance", "late", None, None, None)
    absent = ReportedMark(3, WEEK[1], "Choir", "Singing", "absent", None, None, None)
    scope = reported.scope(student_id=bo)
    assert (await year.marks(scope, reported.office)).items == [absent, late]
    assert (await year.marks(scope, reported.teacher)).items == [late]


async def test_listed_marks_are_absences_and_late_arrivals_that_reports_count(reported: Reported, year: Year) -> None:
    ada, *_ = reported.school.student_ids
    school_id = reported.school.school_id
    async with reported.database.transaction() as connection:
        await set_status(connection, school_id, Status("trip", "Trip", "T", CountsAs.NOT_EXPECTED))
    for day, status in zip(WEEK, ("present", "trip", "excused", "absent", "late"), strict=True):
        await reported.take(day, {0: status, 1: "absent"})
    calendar = SchoolCalendar(reported.database, lambda: LATER, marks_on_closed_days)
    await calendar.close_day(school_id, ClosedDay(WEEK[3], "Storm"), reported.office)
    await calendar.add_term(school_id, "Autumn", MONDAY, date(2024, 12, 21), reported.office)

    found = await year.marks(reported.scope(student_id=ada, first_day=WEEK[1]), reported.office)
    assert [(mark.day, mark.status) for mark in found.items] == [(WEEK[4], "late"), (WEEK[2], "excused")]
    assert found.statuses.get("trip") is not None
    assert await year.usual_days(school_id, reported.office) == UsualDays(MONDAY, WEEK[4], is_year=True)


async def test_a_year_is_for_those_who_may_read_attendance_of_the_school(reported: Reported, year: Year) -> None:
    operator = caller(Role.OPERATOR, reported.school.school_id)
    stranger = caller(Role.OFFICE, reported.school.school_id + 99)
    for actor, error in ((operator, Forbidden), (stranger, NotFound)):
        for request in (
            year.usual_days(reported.school.school_id, actor),
            year.overview(reported.scope(), DEFAULT_CHRONIC_RULE, actor),
            year.filter_options(reported.scope(), actor),
            year.marks(reported.scope(student_id=1), actor),
        ):
            with pytest.raises(error):
                await request
    with pytest.raises(Invalid):
        await year.filter_options(reported.scope(first_day=WEEK[4], last_day=WEEK[0]), reported.office)


async def test_a_teacher_finds_a_class_and_a_student_whom_they_ever_teach(reported: Reported) -> None:
    directory = Directory(reported.database, StandbyReader(reported.database), lambda: LATER)
    async with reported.database.transaction() as connection:
        other_class = await make_class(connection, reported.school.school_id)
        other = await make_student(connection, reported.school.school_id)
        foreign = await make_student(connection, await make_bare_school(connection))
    bo = reported.school.student_ids[1]
    assert (await directory.find_class_of_any_day(reported.teacher, reported.school.class_id)).title == "7b"
    assert (await directory.find_student(reported.teacher, bo)).family_name == "Family 0002"
    assert (await directory.find_student(reported.office, other)).id == other
    for request in (
        directory.find_class_of_any_day(reported.teacher, other_class),
        directory.find_student(reported.teacher, other),
        directory.find_student(reported.office, foreign),
    ):
        with pytest.raises(NotFound):
            await request
    with pytest.raises(Forbidden):
        await directory.find_student(caller(Role.OPERATOR, reported.school.school_id), bo)
