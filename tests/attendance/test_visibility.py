"""Visibility by role, by school, and by the days of a teacher's assignment."""

from __future__ import annotations

from datetime import date

import pytest

from adsum.accounts.access import PERMISSIONS, Caller, Role
from adsum.attendance.rules import RecordFilters
from adsum.attendance.service import Records
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, NotFound
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.registers.day_roster import DayRosters
from adsum.roster.rules import ClassFilters, SessionFilters, StudentFilters
from adsum.roster.service import Directory
from tests.support.schools import (
    SchoolIds,
    assign,
    caller,
    make_class,
    make_record,
    make_school,
    make_session,
    make_user,
)

CHRISTMAS = date(2024, 12, 25)
TWENTIETH = date(2024, 12, 20)
FIRST = PageRequest()


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        return await make_school(connection, students=2)


@pytest.fixture
async def other_school(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        return await make_school(connection, students=1)


async def teacher_until_the_20th(database: Database, school: SchoolIds) -> Caller:
    async with database.transaction() as connection:
        user_id = await make_user(connection, Role.TEACHER, school.school_id)
        await assign(connection, school.class_id, user_id, end=TWENTIETH)
    return caller(Role.TEACHER, school.school_id, user_id)


async def visible_ids(directory: Directory, actor: Caller) -> tuple[list[int], list[int], list[int]]:
    """Returns the ids of the classes, sessions and students that a caller sees."""
    classes = await directory.classes(actor, ClassFilters(), FIRST)
    sessions = await directory.sessions(actor, SessionFilters(), FIRST)
    students = await directory.students(actor, StudentFilters(), FIRST)
    return [row.id for row in classes.items], [row.id for row in sessions.items], [row.id for row in students.items]


async def test_an_admin_sees_every_school(directory: Directory, school: SchoolIds, other_school: SchoolIds) -> None:
    assert await visible_ids(directory, caller(Role.ADMIN)) == (
        [school.class_id, other_school.class_id],
        [school.session_id, other_school.session_id],
        [*school.student_ids, *other_school.student_ids],
    )


@pytest.mark.parametrize("role", [Role.OFFICE, Role.VIEWER])
async def test_staff_of_a_school_see_only_that_school(
    directory: Directory, day_rosters: DayRosters, school: SchoolIds, other_school: SchoolIds, role: Role
) -> None:
    actor = caller(role, school.school_id)

    assert await visible_ids(directory, actor) == ([school.class_id], [school.session_id], school.student_ids)
    with pytest.raises(NotFound):
        await day_rosters.roster(actor, other_school.class_id)


async def test_an_api_key_sees_the_schools_that_it_names(
    directory: Directory, school: SchoolIds, other_school: SchoolIds
) -> None:
    permissions = PERMISSIONS[Role.VIEWER]
    of_one = Caller(Role.KEY, permissions, key_id=1, schools=frozenset({other_school.school_id}))
    of_none = Caller(Role.KEY, permissions, key_id=2, schools=frozenset())

    assert await visible_ids(directory, of_one) == (
        [other_school.class_id],
        [other_school.session_id],
        other_school.student_ids,
    )
    assert await visible_ids(directory, of_none) == ([], [], [])


async def test_a_teacher_sees_the_classes_that_they_teach(
    database: Database, directory: Directory, day_rosters: DayRosters, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        colleagues = await make_class(connection, school.school_id)
        await make_session(connection, colleagues)
    actor = caller(Role.TEACHER, school.school_id, school.teacher_id)

    assert await visible_ids(directory, actor) == ([school.class_id], [school.session_id], school.student_ids)
    assert (await day_rosters.roster(actor, school.class_id)).day == CHRISTMAS
    with pytest.raises(NotFound):
        await day_rosters.roster(actor, colleagues)
    assert (await directory.students(actor, StudentFilters(class_id=colleagues), FIRST)).items == []
    assert (await directory.sessions(actor, SessionFilters(class_id=colleagues), FIRST)).items == []


async def test_a_teacher_whose_assignment_ended_sees_the_days_before_and_nothing_since(
    database: Database, directory: Directory, day_rosters: DayRosters, school: SchoolIds
) -> None:
    actor = await teacher_until_the_20th(database, school)

    assert await visible_ids(directory, actor) == ([], [], [])
    assert len((await day_rosters.roster(actor, school.class_id, date(2024, 12, 19))).students) == 2
    for day in (TWENTIETH, None):
        with pytest.raises(NotFound):
            await day_rosters.roster(actor, school.class_id, day)
    then = await directory.students(actor, StudentFilters(day=date(2024, 12, 19)), FIRST)
    assert [row.id for row in then.items] == school.student_ids


async def test_a_teacher_sees_nothing_before_their_first_day(
    database: Database, directory: Directory, day_rosters: DayRosters, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        user_id = await make_user(connection, Role.TEACHER, school.school_id)
        await assign(connection, school.class_id, user_id, begin=date(2024, 12, 26))
    actor = caller(Role.TEACHER, school.school_id, user_id)

    assert await visible_ids(directory, actor) == ([], [], [])
    assert len((await day_rosters.roster(actor, school.class_id, date(2024, 12, 26))).students) == 2


async def test_a_teacher_sees_the_records_of_the_days_on_which_they_taught(
    database: Database, records: Records, school: SchoolIds
) -> None:
    actor = await teacher_until_the_20th(database, school)
    async with database.transaction() as connection:
        for day in (19, 20):
            batch = Batch(school.class_id, school.session_id, date(2024, 12, day))
            await make_record(connection, school.school_id, batch, school.student_ids[0])

    found = await records.page(actor, RecordFilters(), FIRST)

    assert [row.learning_date.day for row in found.items] == [19]


async def test_records_of_another_school_are_not_in_the_list(
    database: Database, records: Records, school: SchoolIds, other_school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        for ids in (school, other_school):
            batch = Batch(ids.class_id, ids.session_id, CHRISTMAS)
            await make_record(connection, ids.school_id, batch, ids.student_ids[0])
    actor = caller(Role.VIEWER, school.school_id)

    found = await records.page(actor, RecordFilters(), FIRST)
    filtered = await records.page(actor, RecordFilters(class_id=other_school.class_id), FIRST)

    assert [row.school_id for row in found.items] == [school.school_id]
    assert filtered.items == []


async def test_an_operator_sees_no_student(
    directory: Directory, day_rosters: DayRosters, records: Records, school: SchoolIds
) -> None:
    actor = caller(Role.OPERATOR, school.school_id)

    with pytest.raises(Forbidden):
        await day_rosters.roster(actor, school.class_id)
    with pytest.raises(Forbidden):
        await directory.classes(actor, ClassFilters(), FIRST)
    with pytest.raises(Forbidden):
        await directory.sessions(actor, SessionFilters(), FIRST)
    with pytest.raises(Forbidden):
        await directory.students(actor, StudentFilters(), FIRST)
    with pytest.raises(Forbidden):
        await records.page(actor, RecordFilters(), FIRST)
    with pytest.raises(Forbidden):
        await records.export(actor, RecordFilters(), "csv")


async def test_today_is_in_the_time_zone_of_the_school(
    database: Database, directory: Directory, day_rosters: DayRosters
) -> None:
    """At noon in UTC it is the 26th in Kiritimati already."""
    async with database.transaction() as connection:
        here = await make_school(connection, students=1, begin=date(2024, 12, 26))
        there = await make_school(connection, students=1, begin=date(2024, 12, 26), time_zone="Pacific/Kiritimati")
    teacher_here = caller(Role.TEACHER, here.school_id, here.teacher_id)
    teacher_there = caller(Role.TEACHER, there.school_id, there.teacher_id)
    admin = caller(Role.ADMIN)

    assert await visible_ids(directory, teacher_here) == ([], [], [])
    assert await visible_ids(directory, teacher_there) == ([there.class_id], [there.session_id], there.student_ids)
    assert (await day_rosters.roster(admin, there.class_id)).day == date(2024, 12, 26)
    assert (await day_rosters.roster(admin, here.class_id)).day == CHRISTMAS
    assert (await directory.students(admin, StudentFilters(class_id=here.class_id), FIRST)).items == []
    assert len((await directory.students(admin, StudentFilters(class_id=there.class_id), FIRST)).items) == 1
