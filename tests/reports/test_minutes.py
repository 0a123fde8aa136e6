"""Minutes missed: of absences, before an arrival and after a departure."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import select

from adsum.accounts.access import system_caller
from adsum.attendance.rules import Mark
from adsum.platform.paging import PageRequest
from adsum.reports.rules import DEFAULT_CHRONIC_RULE, Counts, GroupBy
from adsum.reports.tables import student_months
from adsum.roster.timetable.repository import replace_times
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.service import Schools
from tests.reports.conftest import MONDAY, Reported
from tests.support.runs import LATER
from tests.support.schools import TERM_BEGINS, make_session

TUESDAY = MONDAY + timedelta(days=1)
LEFT_AT_ONCE = Mark("present", left_at="08:01")
CAME_LATE = Mark("late", arrived_at="08:10")
SEPTEMBER = {"first_day": date(2024, 9, 1), "last_day": date(2024, 9, 30)}


async def set_times(reported: Reported, *times: SessionTime, valid_from: date = TERM_BEGINS) -> None:
    async with reported.database.transaction() as connection:
        await replace_times(connection, {reported.school.session_id: times}, valid_from, MONDAY)


async def test_arrivals_departures_and_absences_are_counted_in_minutes(reported: Reported) -> None:
    await set_times(reported, SessionTime(1, "08:00", "09:30"))
    await reported.take(MONDAY, {0: LEFT_AT_ONCE, 1: CAME_LATE, 2: "excused"})
    ada, bo, cy = reported.school.student_ids

    by_student = {
        ada: Counts(1, 1, days=1, minutes=90, minutes_missed=89),
        bo: Counts(1, 1, late=1, days=1, minutes=90, minutes_missed=10),
        cy: Counts(1, 0, 1, 1, days=1, days_absent=1, minutes=90, minutes_missed=90),
    }
    everyone = Counts(3, 2, 1, 1, 1, 3, 1, 270, 189)
    for actor in (reported.office, reported.teacher):
        assert await reported.counts(GroupBy.STUDENT, actor) == by_student
        assert await reported.counts(GroupBy.STUDENT, actor, **SEPTEMBER) == by_student
        assert await reported.counts(GroupBy.CLASS, actor) == {reported.school.class_id: everyone}
        assert await reported.counts(GroupBy.DAY, actor) == {MONDAY: everyone}
        assert await reported.counts(GroupBy.DAY, actor, student_id=ada) == {MONDAY: by_student[ada]}
        assert await reported.counts(GroupBy.GRADE, actor) == {None: everyone}
        record = await reported.reports.student(reported.scope(), ada, DEFAULT_CHRONIC_RULE, actor)
        assert [(day.minutes, day.minutes_missed) for day in record.days] == [(90, 89)]
    async with reported.database.snapshot() as connection:
        months = await connection.execute(select(student_months.c.minutes, student_months.c.minutes_missed))
    assert sorted(tuple(row) for row in months) == [(90, 10), (90, 89), (90, 90)]


async def test_a_break_is_no_part_of_a_session_that_meets_twice(reported: Reported) -> None:
    await set_times(reported, SessionTime(1, "08:00", "08:45"), SessionTime(1, "10:00", "10:45"))
    marks = {0: Mark("present", left_at="09:30"), 1: Mark("late", "", "10:15"), 2: Mark("late", "", "08:15", "10:30")}
    await reported.take(MONDAY, marks)

    found = await reported.counts(GroupBy.STUDENT)

    assert [each.minutes_missed for each in found.values()] == [45, 60, 30]


async def test_sessions_without_times_have_no_minutes(reported: Reported) -> None:
    await set_times(reported, SessionTime(1, "08:00", "09:30"))
    await reported.take(MONDAY, {0: "present", 1: "late", 2: "absent"})
    await reported.take(TUESDAY, {0: LEFT_AT_ONCE, 1: CAME_LATE, 2: "absent"})

    found = await reported.counts(GroupBy.DAY)

    assert {day: (each.minutes, each.minutes_missed) for day, each in found.items()} == {
        MONDAY: (270, 90),
        TUESDAY: (0, 0),
    }
    report = await reported.reports.rates(reported.scope(), GroupBy.DAY, reported.office, PageRequest())
    assert "without times has no minutes" in report.definition


async def test_new_times_count_anew(reported: Reported) -> None:
    await reported.take(MONDAY, {0: LEFT_AT_ONCE})
    assert (await reported.counts(GroupBy.DAY))[MONDAY].minutes == 0
    await set_times(reported, SessionTime(1, "08:00", "08:45"))
    assert (await reported.counts(GroupBy.DAY))[MONDAY].minutes_missed == 44


async def test_the_counts_of_classes_and_their_unmarked_students_ignore_the_grade(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "present"})
    everyone = {reported.school.class_id: Counts(1, 1, days=1, unmarked=2)}
    assert await reported.counts(GroupBy.CLASS) == everyone
    assert await reported.counts(GroupBy.CLASS, grade="7") == everyone


async def set_share(reported: Reported, percent: int | None) -> None:
    schools = Schools(reported.database, lambda: LATER)
    await schools.change(reported.school.school_id, {"missed_from_percent": percent}, system_caller())


async def test_a_school_decides_from_which_share_on_a_session_counts_as_missed(reported: Reported) -> None:
    await set_times(reported, SessionTime(1, "08:00", "09:30"))
    came_half_late = Mark("late", arrived_at="08:45")
    await reported.take(MONDAY, {0: LEFT_AT_ONCE, 1: came_half_late, 2: "excused"})
    ada, bo, cy = reported.school.student_ids
    never = await reported.counts(GroupBy.STUDENT)

    await set_share(reported, 50)

    for actor in (reported.office, reported.teacher):
        found = await reported.counts(GroupBy.STUDENT, actor)
        assert found[ada] == Counts(1, 0, 1, days=1, days_absent=1, minutes=90, minutes_missed=89)
        assert found[bo] == Counts(1, 0, 1, days=1, days_absent=1, minutes=90, minutes_missed=45)
        assert found[cy] == never[cy]
        assert (await reported.counts(GroupBy.CLASS, actor))[reported.school.class_id].absent == 3
    report = await reported.reports.unexplained(reported.scope(), reported.office, PageRequest())
    assert report.items == [], "nobody can explain a mark that is not absent"
    assert "at least 50% of its minutes" in report.definition
    await set_share(reported, 51)
    assert (await reported.counts(GroupBy.STUDENT))[bo] == never[bo]
    await set_share(reported, None)
    assert await reported.counts(GroupBy.STUDENT) == never


async def test_days_with_a_mark_that_can_be_explained_are_unexplained(reported: Reported) -> None:
    await set_times(reported, SessionTime(1, "08:00", "09:30"))
    await set_share(reported, 50)
    async with reported.database.transaction() as connection:
        second = await make_session(connection, reported.school.class_id, period="2")
    await reported.take(MONDAY, {0: LEFT_AT_ONCE, 1: LEFT_AT_ONCE, 2: "absent"})
    await reported.take(MONDAY, {0: "absent", 1: "excused", 2: "present"}, second)

    for actor in (reported.office, reported.teacher):
        report = await reported.reports.unexplained(reported.scope(), actor, PageRequest(limit=1))
        rest = await reported.reports.unexplained(reported.scope(), actor, PageRequest(report.next_cursor))
        ada, _, cy = reported.school.student_ids
        assert [each.day.student_id for each in (*report.items, *rest.items)] == [ada, cy]


async def test_a_session_without_times_is_never_missed_in_part(reported: Reported) -> None:
    await set_share(reported, 1)
    await reported.take(MONDAY, {0: LEFT_AT_ONCE, 1: "present", 2: "late"})
    assert (await reported.counts(GroupBy.DAY))[MONDAY].absent == 0
    await set_times(reported, SessionTime(1, "08:00", "09:30"))
    assert (await reported.counts(GroupBy.DAY))[MONDAY].absent == 1


async def test_changed_times_leave_the_minutes_of_earlier_days(reported: Reported) -> None:
    await set_times(reported, SessionTime(1, "08:00", "09:30"))
    for monday in (MONDAY, MONDAY + timedelta(days=7)):
        await reported.take(monday, {0: "absent", 1: CAME_LATE, 2: LEFT_AT_ONCE})

    await set_times(reported, SessionTime(1, "08:00", "08:30"), valid_from=MONDAY + timedelta(days=7))

    by_day = await reported.counts(GroupBy.DAY, last_day=MONDAY + timedelta(days=7))
    assert [(counts.minutes, counts.minutes_missed) for counts in by_day.values()] == [(270, 189), (90, 69)]
