"""Days of a student at another school count at the home school, by student; the other school counts its own days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from adsum.accounts.access import Role
from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database
from adsum.platform.errors import NotFound
from adsum.platform.paging import PageRequest
from adsum.reports.repository.summaries import is_stale
from adsum.reports.rules import ChronicRule, Counts, GroupBy
from adsum.reports.service import StudentRecord
from adsum.wiring import Adsum
from tests.reports.conftest import MONDAY, WEEK, Reported, reported_school
from tests.support.api import opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import add_school, caller, enrol

MONDAY_TO_WEDNESDAY, THURSDAY, FRIDAY = WEEK[:3], WEEK[3], WEEK[4]
RULE = ChronicRule(percent=50, least_days=1)
EVERYTHING: dict[str, Any] = {"first_day": date(2024, 8, 1), "last_day": date(2024, 10, 31)}
PAGE = PageRequest(limit=200)


@dataclass(frozen=True, slots=True)
class Moved:
    """The first student of `home` was absent at `former` from Monday to Wednesday, and is present at home since."""

    home: Reported
    former: Reported

    @property
    def student_id(self) -> int:
        return self.home.school.student_ids[0]

    async def record(self, school: Reported, role: Role = Role.OFFICE) -> StudentRecord:
        """As a role sees it: the office sees its own school, an admin every school."""
        actor = caller(role, None if role is Role.ADMIN else school.school.school_id)
        return await school.reports.student(school.scope(), self.student_id, RULE, actor)


@pytest.fixture
async def moved(database: Database) -> Moved:
    home, former = [await reported_school(database) for _ in range(2)]
    student_id = home.school.student_ids[0]
    async with database.transaction() as connection:
        await add_school(connection, student_id, former.school.school_id)
        await enrol(connection, former.school.class_id, [student_id], end=THURSDAY)
    at_former = replace(former, school=replace(former.school, student_ids=[student_id, *former.school.student_ids]))
    for day in MONDAY_TO_WEDNESDAY:
        await at_former.take(day, {0: "absent", 1: "present"})
        await home.take(day, {1: "present", 2: "present"})
    for day in (THURSDAY, FRIDAY):
        await home.take(day, {0: "present", 1: "present", 2: "present"})
    return Moved(home, at_former)


async def test_the_home_school_counts_all_days_of_the_student_and_the_former_school_its_own(moved: Moved) -> None:
    at_home, at_former = await moved.record(moved.home, Role.ADMIN), await moved.record(moved.former)

    assert [(day.day, day.is_absent) for day in at_home.days] == [
        *((day, True) for day in MONDAY_TO_WEDNESDAY),
        (THURSDAY, False),
        (FRIDAY, False),
    ]
    assert (at_home.counts.days, at_home.counts.days_absent, at_home.is_chronically_absent) == (5, 3, True)
    assert [day.day for day in at_former.days] == MONDAY_TO_WEDNESDAY
    assert at_home.elsewhere == Counts()
    assert "former school" in at_home.definition


async def test_the_home_school_gets_sums_of_the_days_at_a_school_that_it_does_not_see(moved: Moved) -> None:
    record, whole = await moved.record(moved.home), await moved.record(moved.home, Role.ADMIN)

    assert (record.counts, record.is_chronically_absent) == (whole.counts, True)
    # From Monday to Wednesday the home school left the student unmarked.
    assert [(day.day, day.sessions) for day in record.days] == [
        *((day, 0) for day in MONDAY_TO_WEDNESDAY),
        (THURSDAY, 1),
        (FRIDAY, 1),
    ]
    assert (record.elsewhere.days, record.elsewhere.days_absent, record.elsewhere.absent) == (3, 3, 3)
    assert "in totals only" in record.definition
    for by in (GroupBy.DAY, GroupBy.WEEK, GroupBy.MONTH):
        of_student = await moved.home.counts(by, student_id=moved.student_id)
        assert sum(counts.days for counts in of_student.values()) == 2
    (of_school,) = (await moved.home.counts(GroupBy.SCHOOL, student_id=moved.student_id)).values()
    assert of_school.days == 5


async def test_a_missing_mark_at_a_school_that_is_not_seen_is_in_the_sums(moved: Moved) -> None:
    day = MONDAY + timedelta(7)
    async with moved.home.database.transaction() as connection:
        await enrol(connection, moved.former.school.class_id, [moved.student_id], begin=day)
    await moved.former.take(day, {1: "present"})

    scope = moved.home.scope(first_day=day, last_day=day)
    for actor, days in ((moved.home.office, []), (caller(Role.ADMIN), [day])):
        record = await moved.home.reports.student(scope, moved.student_id, RULE, actor)
        assert ([each.day for each in record.days], record.counts.unmarked) == (days, 1)


@pytest.mark.parametrize("period", [{}, EVERYTHING])
async def test_reports_by_student_count_both(moved: Moved, period: dict[str, Any]) -> None:
    scope = moved.home.scope(**period)

    chronic = await moved.home.reports.chronic(scope, RULE, moved.home.office, PAGE)
    rates = await moved.home.reports.rates(scope, GroupBy.STUDENT, moved.home.office, PAGE)

    assert [rate.key for rate in chronic.items] == [moved.student_id]
    days = {rate.key: (rate.counts.days, rate.counts.days_absent) for rate in rates.items}
    assert days == dict(zip(moved.home.school.student_ids, [(5, 3), (5, 0), (5, 0)], strict=True))
    of_former = await moved.former.counts(GroupBy.STUDENT, moved.former.office)
    assert {student_id: counts.days for student_id, counts in of_former.items() if counts.days} == {
        moved.student_id: 3,
        moved.former.school.student_ids[1]: 3,
    }


async def test_reports_of_the_school_and_its_classes_count_its_own_registers(moved: Moved) -> None:
    for by in (GroupBy.SCHOOL, GroupBy.CLASS):
        (counts,) = (await moved.home.counts(by)).values()
        assert (counts.absent, counts.sessions) == (0, 12)


async def test_a_day_on_which_the_home_school_took_a_register_counts_once(moved: Moved) -> None:
    await moved.home.take(MONDAY, {0: "present"})

    (monday,) = [day for day in (await moved.record(moved.home)).days if day.day == MONDAY]

    assert monday.counts == Counts(sessions=1, attended=1, days=1)


async def test_unexplained_absences_are_those_of_the_own_school(moved: Moved) -> None:
    for school, days in ((moved.home, []), (moved.former, MONDAY_TO_WEDNESDAY)):
        report = await school.reports.unexplained(school.scope(), school.office, PAGE)
        assert sorted(item.day.day for item in report.items) == days


async def test_a_student_without_a_mark_at_another_school_is_unmarked_at_home(moved: Moved) -> None:
    day = MONDAY + timedelta(7)
    async with moved.home.database.transaction() as connection:
        await enrol(connection, moved.former.school.class_id, [moved.student_id], begin=day)
    await moved.former.take(day, {1: "present"})
    scope = moved.home.scope(first_day=day, last_day=day)

    report = await moved.home.reports.rates(scope, GroupBy.STUDENT, moved.home.office, PAGE)

    assert [(rate.key, rate.counts.unmarked) for rate in report.items] == [(moved.student_id, 1)]
    unexplained = await moved.home.reports.unexplained(scope, moved.home.office, PAGE)
    assert unexplained.unmarked == 0


async def test_a_teacher_at_home_counts_the_own_classes(moved: Moved) -> None:
    counts = await moved.home.counts(GroupBy.STUDENT, moved.home.teacher)

    assert counts[moved.student_id].days == 2


async def test_a_school_without_the_student_has_no_record_of_them(moved: Moved, database: Database) -> None:
    stranger = await reported_school(database)

    with pytest.raises(NotFound):
        await moved.record(stranger)


async def test_only_reports_that_read_the_days_at_other_schools_summarise_them(moved: Moved) -> None:
    async def stale() -> list[date]:
        runs = batch_runs.c
        found = select(runs.learning_date).where(*is_stale(moved.former.school.school_id)).order_by(runs.learning_date)
        async with moved.home.database.snapshot() as connection:
            return list(await connection.scalars(found))

    reports, office = moved.home.reports, moved.home.office
    tuesday = moved.home.scope(first_day=WEEK[1], last_day=WEEK[1])
    in_class = replace(tuesday, class_id=moved.home.school.class_id)
    await reports.unexplained(tuesday, office, PAGE)
    await reports.chronic(in_class, RULE, office, PAGE)
    await reports.chronic(tuesday, RULE, moved.home.teacher, PAGE)
    for by in (GroupBy.CLASS, GroupBy.SCHOOL):
        await reports.rates(tuesday, by, office, PAGE)
    await reports.chronic(replace(tuesday, student_id=moved.home.school.student_ids[1]), RULE, office, PAGE)
    assert await stale() == MONDAY_TO_WEDNESDAY

    on_tuesday = {"first_day": WEEK[1], "last_day": WEEK[1], "student_id": moved.student_id}
    (counts,) = (await moved.home.counts(GroupBy.DAY, caller(Role.ADMIN), **on_tuesday)).values()
    assert counts.absent == 1
    assert await stale() == [WEEK[0], WEEK[2]]
    await reports.rates(moved.home.scope(), GroupBy.STUDENT, office, PAGE)
    assert await stale() == []


async def test_the_page_of_a_student_shows_the_days_at_the_former_school_before_the_new_one_has_any(
    adsum: Adsum,
) -> None:
    home, former = [await reported_school(adsum.database) for _ in range(2)]
    student_id, newcomer, *_ = home.school.student_ids
    async with adsum.database.transaction() as connection:
        await add_school(connection, student_id, former.school.school_id)
        await enrol(connection, former.school.class_id, [student_id], end=THURSDAY)
    at_former = replace(former, school=replace(former.school, student_ids=[student_id]))
    await at_former.take(MONDAY, {0: "absent"})

    async with opened_api(adsum, home.school) as api:
        moved, unknown = [await Pages(api).open(f"/year/students/{each}") for each in (student_id, newcomer)]

    text = visible_text(moved)
    assert "to September 30, 2024" in text
    assert "of 1 day" in text
    assert "1 of these days was at a school that you cannot see" in text
    assert "None at this school." in text
    assert "Nothing is recorded yet." in visible_text(unknown)
    assert "2000" not in unknown.text
    assert "All records (CSV)" not in unknown.text
