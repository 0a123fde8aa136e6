"""Reports of a small school, each number counted by hand beside it."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import update

from adsum.accounts.access import Role
from adsum.attendance.statuses.repository import set_status
from adsum.attendance.statuses.rules import CountsAs, Status, StatusFlag
from adsum.platform.errors import Forbidden, Invalid, NotFound
from adsum.platform.paging import PageRequest
from adsum.reports.rules import DEFAULT_CHRONIC_RULE, ChronicRule, Counts, Extent, GroupBy
from adsum.roster.tables import students
from adsum.schools.calendar.rules import SessionTime
from tests.reports.conftest import MONDAY, WEEK, Reported
from tests.support.schools import (
    assign,
    caller,
    enrol,
    give_times,
    make_bare_school,
    make_class,
    make_session,
    make_user,
)

ALL = PageRequest(limit=200)


async def five_days(reported: Reported) -> None:
    """Ada present on all five days; Bo absent on two and excused on one; Cy late once, and absent on the last two."""
    for day, bo, cy in zip(WEEK, ("absent", "present", "excused", "absent", "present"), "PLPAA", strict=True):
        letters = {"P": "present", "L": "late", "A": "absent"}
        await reported.take(day, {0: "present", 1: bo, 2: letters[cy]})


async def test_rates_by_school_student_class_and_grade(reported: Reported) -> None:
    await five_days(reported)
    ada, bo, cy = reported.school.student_ids
    async with reported.database.transaction() as connection:
        await connection.execute(update(students).where(students.c.id == ada).values(grade="07"))

    # 15 sessions: Ada 5 of 5, Bo 2 of 5, Cy 3 of 5. Each day has one session: a day is absent where it was missed.
    everyone = Counts(15, 10, 5, 1, 1, 15, 5)
    assert await reported.counts(GroupBy.SCHOOL) == {MONDAY: everyone}
    assert await reported.counts(GroupBy.CLASS) == {reported.school.class_id: everyone}
    assert await reported.counts(GroupBy.STUDENT) == {
        ada: Counts(5, 5, 0, 0, 0, 5, 0),
        bo: Counts(5, 2, 3, 1, 0, 5, 3),
        cy: Counts(5, 3, 2, 0, 1, 5, 2),
    }
    assert await reported.counts(GroupBy.GRADE) == {
        "07": Counts(5, 5, 0, 0, 0, 5, 0),
        None: Counts(10, 5, 5, 1, 1, 10, 5),
    }
    assert await reported.counts(GroupBy.STUDENT, student_id=bo) == {bo: Counts(5, 2, 3, 1, 0, 5, 3)}
    assert await reported.counts(GroupBy.STUDENT, grade="07") == {ada: Counts(5, 5, 0, 0, 0, 5, 0)}
    assert (everyone.attendance_rate, Counts().attendance_rate, Counts().days_attendance_rate) == (66.67, None, None)


async def test_a_student_of_several_grades_counts_in_each(reported: Reported) -> None:
    await five_days(reported)
    ada, bo, cy = reported.school.student_ids
    async with reported.database.transaction() as connection:
        for student_id, grade in ((ada, "9,10"), (bo, "10,K"), (cy, "k")):
            await connection.execute(update(students).where(students.c.id == student_id).values(grade=grade))

    of_ada, of_bo, of_cy = Counts(5, 5, 0, 0, 0, 5, 0), Counts(5, 2, 3, 1, 0, 5, 3), Counts(5, 3, 2, 0, 1, 5, 2)
    by_grade = await reported.counts(GroupBy.GRADE)

    assert by_grade == {"10": Counts(10, 7, 3, 1, 0, 10, 3), "9": of_ada, "K": of_bo, "k": of_cy}
    assert list(by_grade) == ["9", "10", "K", "k"]
    assert await reported.counts(GroupBy.STUDENT, grade="9") == {ada: of_ada}
    assert await reported.counts(GroupBy.STUDENT, grade="10") == {ada: of_ada, bo: of_bo}
    assert await reported.counts(GroupBy.STUDENT, grade="k") == {cy: of_cy}
    assert await reported.counts(GroupBy.STUDENT, grade="1") == {}


async def test_rates_by_day_week_and_month(reported: Reported) -> None:
    await five_days(reported)
    await reported.take(date(2024, 10, 1), {0: "present"})  # a Tuesday

    by_day = await reported.counts(GroupBy.DAY)
    assert [counts.absent for counts in by_day.values()] == [1, 0, 1, 2, 1]
    assert list(await reported.counts(GroupBy.WEEK, last_day=date(2024, 10, 1))) == [MONDAY, date(2024, 9, 30)]
    by_month = await reported.counts(GroupBy.MONTH, last_day=date(2024, 10, 1), class_id=reported.school.class_id)
    assert {first: counts.sessions for first, counts in by_month.items()} == {
        date(2024, 9, 1): 15,
        date(2024, 10, 1): 1,
    }


async def test_a_day_is_absent_when_half_of_its_time_was_missed(reported: Reported) -> None:
    """One session of 60 minutes and one of 20: missing the long one is 75 % of the day, missing the short one 25 %."""
    async with reported.database.transaction() as connection:
        short = await make_session(connection, reported.school.class_id, period="2")
        times = {
            reported.school.session_id: [SessionTime(1, "08:00", "09:00")],
            short: [SessionTime(1, "09:00", "09:20")],
        }
        await give_times(connection, times)
    await reported.take(MONDAY, {0: "absent", 1: "present", 2: "absent"})
    await reported.take(MONDAY, {0: "present", 1: "absent", 2: "absent"}, short)

    ada, bo, cy = reported.school.student_ids
    by_student = await reported.counts(GroupBy.STUDENT)
    assert {student: counts.days_absent for student, counts in by_student.items()} == {ada: 1, bo: 0, cy: 1}
    # On Tuesday neither has times: of two sessions, one is half.
    await reported.take(WEEK[1], {0: "absent", 1: "present"})
    await reported.take(WEEK[1], {0: "present", 1: "present"}, short)
    assert (await reported.counts(GroupBy.STUDENT))[ada].days_absent == 2
    assert (await reported.counts(GroupBy.CLASS))[reported.school.class_id] == Counts(
        10, 5, 5, 0, 0, 5, 3, 240, 160, unmarked=2
    )


async def test_each_school_decides_what_a_status_counts_as(reported: Reported) -> None:
    trip = Status("trip", "Trip", "T", CountsAs.NOT_EXPECTED)
    online = Status("online", "Online", "O", CountsAs.ATTENDED, frozenset({StatusFlag.OFF_SITE}))
    sick = Status("sick", "Sick", "S", CountsAs.ABSENT, frozenset({StatusFlag.AUTHORISED}))
    async with reported.database.transaction() as connection:
        for status in (trip, online, sick):
            await set_status(connection, reported.school.school_id, status)

    await reported.take(MONDAY, {0: "trip", 1: "online", 2: "sick"})

    assert await reported.counts(GroupBy.STUDENT) == {
        reported.school.student_ids[1]: Counts(1, 1, 0, 0, 0, 1, 0),
        reported.school.student_ids[2]: Counts(1, 0, 1, 1, 0, 1, 1),
    }


async def test_chronic_absence_needs_the_percentage_and_the_least_number_of_days(reported: Reported) -> None:
    await five_days(reported)
    ada, bo, cy = reported.school.student_ids
    rule = ChronicRule(percent=40, least_days=5)

    first = await reported.reports.chronic(reported.scope(), rule, reported.office, PageRequest(limit=1))
    second = await reported.reports.chronic(
        reported.scope(), rule, reported.office, PageRequest(first.next_cursor, limit=1)
    )

    assert [(row.key, row.counts.days_absent) for row in (*first.items, *second.items)] == [(bo, 3), (cy, 2)]
    assert second.next_cursor is None
    assert "at least 40%" in first.definition
    assert first.items[0].name == "Given 2 Family 0002"
    default = await reported.reports.chronic(reported.scope(), DEFAULT_CHRONIC_RULE, reported.office, ALL)
    assert default.items == [], "five days are fewer than ten"
    assert ada not in {row.key for row in first.items}


async def test_absences_in_a_row_end_with_the_last_day(reported: Reported) -> None:
    await five_days(reported)
    _, bo, cy = reported.school.student_ids
    await reported.take(date(2024, 9, 9), {1: "absent"})

    found = await reported.reports.streaks(reported.scope(), 2, reported.office, ALL)
    longer = await reported.reports.streaks(reported.scope(last_day=date(2024, 9, 9)), 1, reported.office, ALL)

    assert [(row.student_id, row.days, row.since) for row in found.items] == [(cy, 2, WEEK[3])]
    assert [(row.student_id, row.days) for row in longer.items] == [(cy, 2), (bo, 1)]


async def test_unexplained_absences_are_paged_the_newest_day_first(reported: Reported) -> None:
    await five_days(reported)
    _, bo, cy = reported.school.student_ids

    first = await reported.reports.unexplained(reported.scope(), reported.office, PageRequest(limit=2))
    second = await reported.reports.unexplained(reported.scope(), reported.office, PageRequest(first.next_cursor))

    found = [(each.day.day, each.day.student_id, each.day.unexplained) for each in (*first.items, *second.items)]
    assert found == [(WEEK[4], cy, 1), (WEEK[3], bo, 1), (WEEK[3], cy, 1), (WEEK[0], bo, 1)]


async def test_unexplained_absences_are_narrowed_to_whole_days_or_parts_of_them(reported: Reported) -> None:
    async with reported.database.transaction() as connection:
        second = await make_session(connection, reported.school.class_id, period="2")
    await reported.take(WEEK[0], {1: "absent", 2: "absent"})
    await reported.take(WEEK[0], {1: "absent", 2: "present"}, second)
    _, bo, cy = reported.school.student_ids

    found: dict[Extent | None, list[int]] = {}
    for extent in (None, Extent.ALL_DAY, Extent.PART):
        report = await reported.reports.unexplained(reported.scope(), reported.office, ALL, extent)
        found[extent] = [row.day.student_id for row in report.items]
    assert found == {None: [bo, cy], Extent.ALL_DAY: [bo], Extent.PART: [cy]}


async def test_a_students_record_has_counts_and_every_day(reported: Reported) -> None:
    await five_days(reported)
    bo = reported.school.student_ids[1]

    record = await reported.reports.student(reported.scope(), bo, ChronicRule(10, 5), reported.office)
    nothing = await reported.reports.student(
        reported.scope(first_day=date(2023, 1, 1), last_day=date(2023, 1, 2)), bo, DEFAULT_CHRONIC_RULE, reported.office
    )

    assert record.counts == Counts(5, 2, 3, 1, 0, 5, 3)
    assert (record.is_chronically_absent, [day.is_absent for day in record.days]) == (
        True,
        [True, False, True, True, False],
    )
    assert (nothing.counts, nothing.is_chronically_absent) == (Counts(), False)


async def test_a_teacher_reads_only_records_of_their_classes(reported: Reported) -> None:
    ada, bo, _ = reported.school.student_ids
    async with reported.database.transaction() as connection:
        other = await make_class(connection, reported.school.school_id, title="8a")
        session = await make_session(connection, other)
        await enrol(connection, other, [ada])
        stranger = await make_user(connection, Role.TEACHER, reported.school.school_id)
        await assign(connection, other, stranger, end=WEEK[1])
    await five_days(reported)
    for day in WEEK[:2]:
        await reported.take(day, {0: "absent"}, session, class_id=other)
    colleague = caller(Role.TEACHER, reported.school.school_id, stranger)

    assert (await reported.counts(GroupBy.STUDENT, reported.teacher))[ada] == Counts(5, 5, 0, 0, 0, 5, 0)
    assert (await reported.counts(GroupBy.STUDENT))[ada] == Counts(7, 5, 2, 0, 0, 5, 2)
    assert await reported.counts(GroupBy.STUDENT, colleague) == {ada: Counts(1, 0, 1, 0, 0, 1, 1)}, "until Tuesday"
    assert await reported.counts(GroupBy.DAY, colleague) == {MONDAY: Counts(1, 0, 1, 0, 0, 1, 1)}
    assert list(await reported.counts(GroupBy.CLASS, colleague)) == [other]
    assert await reported.counts(GroupBy.STUDENT, colleague, class_id=reported.school.class_id) == {}
    assert list(await reported.counts(GroupBy.STUDENT, class_id=other)) == [ada]
    with pytest.raises(NotFound):
        await reported.reports.student(reported.scope(), bo, DEFAULT_CHRONIC_RULE, colleague)


async def test_reports_need_a_permission_a_visible_school_and_valid_days(reported: Reported) -> None:
    scope, key = reported.scope(), caller(Role.KEY)
    with pytest.raises(Forbidden):
        await reported.reports.rates(scope, GroupBy.DAY, key, ALL)
    with pytest.raises(NotFound):
        await reported.reports.rates(scope, GroupBy.DAY, caller(Role.OFFICE, reported.school.school_id + 1), ALL)
    for days in ({"last_day": date(2024, 9, 1)}, {"last_day": date(2028, 9, 1)}):
        with pytest.raises(Invalid):
            await reported.reports.rates(reported.scope(**days), GroupBy.DAY, reported.office, ALL)


async def test_a_student_of_another_school_is_in_no_report_of_this_one(reported: Reported) -> None:
    await five_days(reported)
    async with reported.database.transaction() as connection:
        elsewhere = await make_bare_school(connection, name="Ahorn")

    admin = caller(Role.ADMIN)
    bo = reported.school.student_ids[1]
    assert await reported.counts(GroupBy.STUDENT, admin, school_id=elsewhere, student_id=bo) == {}
    with pytest.raises(NotFound):
        await reported.reports.student(reported.scope(school_id=elsewhere), bo, DEFAULT_CHRONIC_RULE, admin)


async def test_names_need_permission_for_rosters(reported: Reported) -> None:
    await five_days(reported)
    key = caller(Role.OFFICE, reported.school.school_id)
    key = type(key)(Role.KEY, key.permissions - {p for p in key.permissions if p.value == "roster:read"}, key_id=1)

    for by in (GroupBy.STUDENT, GroupBy.CLASS):
        report = await reported.reports.rates(reported.scope(), by, key, ALL)
        assert {rate.name for rate in report.items} == {None}
