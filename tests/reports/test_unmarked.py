"""Registers that were taken in part: reports count the students without a mark."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import delete, func, not_, select, update

from adsum.accounts.access import Role
from adsum.attendance.tables import attendances
from adsum.batches.tables import batch_runs
from adsum.platform.paging import PageRequest
from adsum.reports.rules import DEFAULT_CHRONIC_RULE, ChronicRule, Counts, GroupBy
from adsum.roster.by_source.rules import SourcedEnrolment
from adsum.roster.by_source.service import SourcedRoster
from adsum.roster.tables import classes, enrolments, students
from adsum.schools.stale_days import mark_stale_records
from tests.reports.conftest import MONDAY, WEEK, Reported
from tests.support.runs import LATER
from tests.support.schools import caller, make_user

FIRST = PageRequest()
ONE_OF_THREE = Counts(1, 1, 0, 0, 0, 1, 0, unmarked=2)


async def test_every_rate_has_the_number_of_unmarked_students(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "present"})
    ada, bo, cy = reported.school.student_ids

    for by, key in {
        GroupBy.SCHOOL: MONDAY,
        GroupBy.DAY: MONDAY,
        GroupBy.WEEK: MONDAY,
        GroupBy.MONTH: MONDAY.replace(day=1),
        GroupBy.CLASS: reported.school.class_id,
        GroupBy.GRADE: None,
    }.items():
        assert await reported.counts(by) == {key: ONE_OF_THREE}, by
        assert await reported.counts(by, class_id=reported.school.class_id) == {key: ONE_OF_THREE}, by
    by_student = {ada: Counts(1, 1, days=1), bo: Counts(unmarked=1), cy: Counts(unmarked=1)}
    assert await reported.counts(GroupBy.STUDENT) == by_student
    assert await reported.counts(GroupBy.STUDENT, class_id=reported.school.class_id) == by_student
    assert await reported.counts(GroupBy.DAY, student_id=bo) == {MONDAY: Counts(unmarked=1)}
    assert (Counts(unmarked=1).attendance_rate, ONE_OF_THREE.attendance_rate) == (None, 100)


async def test_every_report_has_the_number_for_its_scope(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "absent"})
    reports, scope, office = reported.reports, reported.scope(), reported.office

    found = [
        await reports.rates(scope, GroupBy.CLASS, office, FIRST),
        await reports.chronic(scope, ChronicRule(1, 1), office, FIRST),
        await reports.streaks(scope, 1, office, FIRST),
        await reports.unexplained(scope, office, FIRST),
    ]

    assert [(len(report.items), report.unmarked) for report in found] == [(1, 2)] * 4
    assert all("counts as unmarked" in report.definition for report in found)


async def test_a_student_sees_the_sessions_without_a_mark(reported: Reported) -> None:
    ada, bo, _ = reported.school.student_ids
    await reported.take(MONDAY, {0: "present", 1: "absent", 2: "present"})
    await reported.take(WEEK[1], {0: "present"})

    record = await reported.reports.student(reported.scope(), bo, DEFAULT_CHRONIC_RULE, reported.office)

    assert [(day.day, day.sessions, day.unmarked, day.is_absent) for day in record.days] == [
        (MONDAY, 1, 0, True),
        (WEEK[1], 0, 1, False),
    ]
    assert record.counts == Counts(1, 0, 1, days=1, days_absent=1, unmarked=1)
    assert (await reported.counts(GroupBy.STUDENT))[ada] == Counts(2, 2, days=2)


async def test_only_enrolled_students_are_unmarked(reported: Reported) -> None:
    _, bo, cy = reported.school.student_ids

    async def end(student_id: int, day: date) -> None:
        async with reported.database.transaction() as connection:
            of_student = enrolments.c.student_id == student_id
            await connection.execute(update(enrolments).where(of_student).values(end_date=day))

    await end(bo, MONDAY)
    await reported.take(MONDAY, {0: "present"})
    assert (await reported.counts(GroupBy.DAY))[MONDAY].unmarked == 1
    # The office enters afterwards that Cy had left, too.
    await end(cy, MONDAY)
    assert (await reported.counts(GroupBy.DAY))[MONDAY].unmarked == 0
    await end(cy, MONDAY + timedelta(1))
    assert (await reported.counts(GroupBy.DAY))[MONDAY].unmarked == 1


async def test_an_enrolment_that_is_entered_later_counts_on_days_that_were_summarised(reported: Reported) -> None:
    _, bo, _ = reported.school.student_ids
    by_source = SourcedRoster(reported.database, lambda: LATER)
    async with reported.database.transaction() as connection:
        await connection.execute(update(classes).values(source_id="7b"))
        await connection.execute(update(students).where(students.c.id == bo).values(source_id="bo"))
        await connection.execute(delete(enrolments).where(enrolments.c.student_id == bo))
    for day in WEEK[:3]:
        await reported.take(day, {0: "present"})

    async def unmarked() -> list[int]:
        counts = await reported.counts(GroupBy.DAY)
        return [counts[day].unmarked for day in WEEK[:3]]

    async def enrol(begin: date | None, end: date | None) -> int:
        """Returns the number of days that have to be summarised again."""
        row = SourcedEnrolment("7b", "bo", begin, end)
        await by_source.put_enrolment(reported.school.school_id, "e-1", row, reported.office)
        async with reported.database.snapshot() as connection:
            return await connection.scalar(select(func.count()).where(not_(batch_runs.c.summarised))) or 0

    assert await unmarked() == [1, 1, 1]
    assert await enrol(WEEK[1], WEEK[2]) == 2
    assert await unmarked() == [1, 2, 1]
    assert await enrol(WEEK[0], WEEK[2]) == 3
    assert await unmarked() == [2, 2, 1]
    assert await enrol(WEEK[0], WEEK[2]) == 0
    assert await enrol(WEEK[1], WEEK[2]) == 0
    assert await unmarked() == [1, 2, 1]
    assert await enrol(None, None) == 3
    assert await unmarked() == [2, 2, 2]


async def test_a_cleared_mark_is_missing_and_a_register_without_marks_is_not_taken(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "present", 1: "present", 2: "present"})
    assert (await reported.counts(GroupBy.DAY))[MONDAY].unmarked == 0

    async def clear(*student_ids: int) -> None:
        async with reported.database.transaction() as connection:
            found = attendances.c.student_id.in_(student_ids)
            ids = list(await connection.scalars(select(attendances.c.id).where(found)))
            await connection.execute(update(attendances).where(found).values(status=None))
            await mark_stale_records(connection, ids)

    await clear(reported.school.student_ids[0])
    assert (await reported.counts(GroupBy.DAY))[MONDAY] == Counts(2, 2, days=2, unmarked=1)
    await clear(*reported.school.student_ids)
    assert await reported.counts(GroupBy.DAY) == {}


async def test_teachers_see_unmarked_students_of_their_sessions_only(reported: Reported) -> None:
    await reported.take(MONDAY, {0: "present"})
    async with reported.database.transaction() as connection:
        other = await make_user(connection, Role.TEACHER, reported.school.school_id)

    own = await reported.counts(GroupBy.CLASS, reported.teacher)
    of_other = await reported.counts(GroupBy.CLASS, caller(Role.TEACHER, reported.school.school_id, other))

    assert (own, of_other) == ({reported.school.class_id: ONE_OF_THREE}, {})
