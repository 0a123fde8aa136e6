"""A student of several schools is listed at each, and shown to a caller as the student of a school that they see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import text, update

from adsum.accounts.access import Caller, Role, system_caller
from adsum.attendance.repository import list_records
from adsum.attendance.rules import DescribedRecord, RecordFilters
from adsum.operations.migrations import tables
from adsum.platform.database.engine import Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.errors import NotFound
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.roster.by_source.repository import student_of
from adsum.roster.naming.repository import visible_students
from adsum.roster.repository.membership import schools_of_student
from adsum.roster.repository.students import list_students, schools_of_students, visible_student_names
from adsum.roster.rules import StudentFilters
from adsum.roster.service import Directory
from tests.support.schools import (
    SchoolIds,
    add_school,
    caller,
    enrol,
    make_record,
    make_school,
    make_student,
)
from tests.support.statements import statements_sent

NOW = datetime(2024, 12, 25, 12, tzinfo=UTC)
DAY = date(2024, 12, 25)


@dataclass(frozen=True, slots=True)
class TwoSchools:
    """A student who was at the school `former` and is at `home` now, enrolled in a class of each."""

    database: Database
    home: SchoolIds
    former: SchoolIds
    student_id: int

    def office(self, school: SchoolIds) -> Caller:
        return caller(Role.OFFICE, school.school_id)

    async def shown(self, actor: Caller, **filters: Any) -> list[tuple[int, bool]]:
        """School and activity of the student in the list for a caller."""
        page = await Directory(self.database, StandbyReader(self.database), lambda: NOW).students(
            actor, StudentFilters(**filters), PageRequest()
        )
        return [(row.school_id, row.active) for row in page.items if row.id == self.student_id]


@pytest.fixture
async def two(database: Database) -> TwoSchools:
    async with database.transaction() as connection:
        former, home = [await make_school(connection, students=1) for _ in range(2)]
        student_id = await make_student(connection, home.school_id, source_id="moved")
        await add_school(connection, student_id, former.school_id, source_id="moved")
        await enrol(connection, former.class_id, [student_id], end=DAY)
        await enrol(connection, home.class_id, [student_id], begin=DAY)
    return TwoSchools(database, home, former, student_id)


async def test_each_caller_sees_the_student_at_a_school_of_theirs(two: TwoSchools) -> None:
    home, former = two.home.school_id, two.former.school_id

    assert await two.shown(system_caller()) == [(home, True)]
    assert await two.shown(two.office(two.home)) == [(home, True)]
    assert await two.shown(two.office(two.former)) == [(former, False)]
    assert await two.shown(system_caller(), school_id=former) == [(former, False)]
    found = await Directory(two.database, StandbyReader(two.database), lambda: NOW).find_student(
        two.office(two.former), two.student_id
    )
    assert (found.school_id, found.active) == (former, False)


async def test_a_caller_of_one_school_learns_nothing_about_the_other(two: TwoSchools) -> None:
    office = two.office(two.former)

    with pytest.raises(NotFound):
        await two.shown(office, school_id=two.home.school_id)
    assert await two.shown(office, class_id=two.home.class_id, day=DAY) == []
    assert await two.shown(office, day=DAY) == []
    assert await two.shown(office, day=date(2024, 12, 24)) == [(two.former.school_id, False)]
    assert await two.shown(two.office(two.home), day=DAY) == [(two.home.school_id, True)]


async def test_names_and_source_ids_find_the_student_at_both_schools(two: TwoSchools) -> None:
    async with two.database.snapshot() as connection:
        for school in (two.home, two.former):
            office, school_id = two.office(school), school.school_id
            assert (await visible_student_names(connection, office, [two.student_id])).keys() == {two.student_id}
            assert (two.student_id, "moved", two.student_id) in await visible_students(connection, office, school_id)
            assert await schools_of_students(connection, office, [two.student_id]) == {two.student_id: [school_id]}
        assert await schools_of_student(connection, two.student_id) == [two.former.school_id, two.home.school_id]


async def test_a_source_id_names_the_student_whose_home_the_school_is(two: TwoSchools) -> None:
    async with two.database.transaction() as connection:
        own = await make_student(connection, two.former.school_id, source_id="moved")
        named = await visible_students(connection, system_caller(), two.former.school_id)

    assert {row.source_id: row.id for row in named}["moved"] == own


async def test_a_merged_record_names_the_student_at_its_own_school_only(two: TwoSchools) -> None:
    async with two.database.transaction() as connection:
        removed = await make_student(connection, two.former.school_id, source_id="removed")
        merged = update(tables.students).where(tables.students.c.id == removed)
        await connection.execute(merged.values(merged_into=two.student_id))
        named = [
            {row.source_id: row.id for row in await visible_students(connection, system_caller(), school.school_id)}
            for school in (two.home, two.former)
        ]
        by_own_id = [
            {row.own_id: row.id for row in await visible_students(connection, system_caller(), school.school_id)}
            for school in (two.home, two.former)
        ]
        found = [await student_of(connection, school.school_id, "removed") for school in (two.home, two.former)]

    assert [each.get("removed") for each in named] == [None, two.student_id]
    assert [ids[removed] for ids in by_own_id] == [two.student_id, two.student_id]
    assert [each.id if each else None for each in found] == [None, two.student_id]


async def test_records_of_both_schools_are_listed_to_those_who_see_both(two: TwoSchools) -> None:
    async with two.database.transaction() as connection:
        for school, day in ((two.former, date(2024, 12, 2)), (two.home, DAY)):
            await make_record(
                connection, school.school_id, Batch(school.class_id, school.session_id, day), two.student_id
            )
    filters = RecordFilters(student_id=two.student_id)

    async with two.database.snapshot() as connection:
        listed = {
            actor.schools: [
                DescribedRecord(*row).learning_date.day
                for row in await list_records(connection, actor, filters, None, 10)
            ]
            for actor in (system_caller(), two.office(two.home), two.office(two.former))
        }

    assert listed == {None: [2, 25], frozenset({two.home.school_id}): [25], frozenset({two.former.school_id}): [2]}


async def test_a_school_is_found_by_indexes_on_postgres(postgres_database: Database) -> None:
    async with postgres_database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO schools (name, time_zone) SELECT 'School ' || n, 'UTC' FROM generate_series(1, 400) n")
        )
        await connection.execute(
            text(
                "INSERT INTO students (school_id, given_name, family_name) "
                "SELECT s.id, 'Given', 'Family' FROM schools s, generate_series(1, 50)"
            )
        )
        await connection.execute(
            text(
                "INSERT INTO student_schools "
                "SELECT min(school_id) + 1, max(id), false FROM students GROUP BY school_id LIMIT 99"
            )
        )
        for table in ("schools", "students", "student_schools"):
            await connection.execute(text(f"ANALYZE {table}"))
        with statements_sent(postgres_database) as sent:
            await list_students(connection, caller(Role.OFFICE, 7), StudentFilters(), DAY, 0, 51)
        statement, parameters = sent[-1]
        plan = await connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        lines = [row[0] for row in plan]

    assert any("BitmapOr" in line for line in lines), lines
    assert not any("Seq Scan on students" in line for line in lines), lines
