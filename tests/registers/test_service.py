"""Registers that are due on a day, and those that are missing."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert, update

from adsum.accounts.access import Caller, Permission, Role
from adsum.accounts.tables import class_teachers, users
from adsum.attendance.tables import attendances
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid, NotFound
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest
from adsum.registers.rules import Register, RegisterCount, RegisterFilters, RegisterState
from adsum.registers.service import Registers
from adsum.roster.tables import session_times, sessions
from adsum.schools.tables import closed_days, schools, terms
from tests.support.runs import inserts, make_run
from tests.support.schools import (
    MARKED_AT,
    SchoolIds,
    assign,
    caller,
    enrol,
    make_class,
    make_record,
    make_records,
    make_school,
    make_session,
    make_user,
)
from tests.support.statements import statements_sent

TUESDAY = date(2024, 12, 24)
WEDNESDAY = date(2024, 12, 25)
THURSDAY = date(2024, 12, 26)
NOON = datetime(2024, 12, 25, 12, tzinfo=UTC)
ADMIN = caller(Role.ADMIN)


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        return await make_school(connection)


@pytest.fixture
def registers(database: Database) -> Registers:
    """The registers on Wednesday, Christmas Day 2024, at noon in UTC."""
    return Registers(database, lambda: NOON)


async def due(registers: Registers, actor: Caller = ADMIN, **filters: Any) -> list[Register]:
    return list((await registers.page(actor, RegisterFilters(**filters), PageRequest())).items)


async def mark(database: Database, school: SchoolIds, day: date, students: list[int]) -> None:
    async with database.transaction() as connection:
        await make_records(connection, school.school_id, [Batch(school.class_id, school.session_id, day)], students)


async def meet(database: Database, school: SchoolIds, *times: tuple[int, str]) -> None:
    rows = [
        {"session_id": school.session_id, "weekday": weekday, "begins": begins, "ends": "23:59"}
        for weekday, begins in times
    ]
    async with database.transaction() as connection:
        await connection.execute(insert(session_times), rows)


async def close(database: Database, school: SchoolIds, day: date, from_time: str | None = None) -> None:
    columns = {"reason": "Heat", "created_at": MARKED_AT, "created_role": "office", "from_time": from_time}
    async with database.transaction() as connection:
        await connection.execute(insert(closed_days).values(school_id=school.school_id, day=day, **columns))


async def test_a_register_without_marks_is_missing(database: Database, school: SchoolIds, registers: Registers) -> None:
    async with database.transaction() as connection:
        named = update(users).where(users.c.id == school.teacher_id).values(given_name="Ada", family_name="Byron")
        await connection.execute(named)
    (found,) = await due(registers)
    assert (found.class_id, found.class_name) == (school.class_id, "7b")
    assert (found.session_id, found.session_title) == (school.session_id, "Attendance")
    assert [(teacher.user_id, teacher.name) for teacher in found.teachers] == [(school.teacher_id, "Ada Byron")]
    assert (found.learning_date, found.state) == (WEDNESDAY, RegisterState.MISSING)
    assert (found.marked, found.expected) == (0, 3)
    assert found.missing_student_ids == tuple(school.student_ids)
    assert found.is_processing is False


async def test_a_register_with_one_mark_too_few_is_partial(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    await mark(database, school, WEDNESDAY, school.student_ids[:2])
    (found,) = await due(registers)
    assert (found.state, found.marked, found.expected) == (RegisterState.PARTIAL, 2, 3)
    assert found.missing_student_ids == tuple(school.student_ids[2:])


async def test_a_register_with_all_marks_is_taken_and_not_missing(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    await mark(database, school, WEDNESDAY, school.student_ids)
    assert await due(registers) == []
    (found,) = await due(registers, missing_only=False)
    assert (found.state, found.missing_student_ids) == (RegisterState.TAKEN, ())


async def test_counting_ignores_the_filter_of_missing_registers(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    of_school = RegisterFilters(school_id=school.school_id)
    assert await registers.count(ADMIN, of_school) == RegisterCount(due=1, taken=0)
    await mark(database, school, WEDNESDAY, school.student_ids)
    assert await registers.count(ADMIN, of_school) == RegisterCount(due=1, taken=1)
    assert await registers.count(ADMIN, RegisterFilters(school_id=school.school_id + 1)) == RegisterCount(0, 0)


async def test_a_cleared_mark_does_not_count(database: Database, school: SchoolIds, registers: Registers) -> None:
    await mark(database, school, WEDNESDAY, school.student_ids)
    async with database.transaction() as connection:
        cleared = update(attendances).where(attendances.c.student_id == school.student_ids[0])
        await connection.execute(cleared.values(status=None))
    (found,) = await due(registers)
    assert (found.marked, found.missing_student_ids) == (2, (school.student_ids[0],))


async def test_a_mark_of_a_student_outside_the_roster_does_not_count(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    async with database.transaction() as connection:
        batch = Batch(school.class_id, school.session_id, WEDNESDAY)
        await make_record(connection, school.school_id, batch, 999)
    (found,) = await due(registers)
    assert (found.state, found.marked) == (RegisterState.MISSING, 0)


async def test_a_student_who_is_enrolled_twice_is_expected_once(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    async with database.transaction() as connection:
        await enrol(connection, school.class_id, school.student_ids)
    await mark(database, school, WEDNESDAY, school.student_ids[:1])
    (found,) = await due(registers)
    assert (found.marked, found.expected, found.missing_student_ids) == (1, 3, tuple(school.student_ids[1:]))


async def test_a_register_with_an_open_run_is_marked_as_processing(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    async with database.transaction() as connection:
        await make_run(connection, school, inserts(school.student_ids))
    (found,) = await due(registers)
    assert found.is_processing is True
    assert [each.is_processing for each in await due(registers, day=TUESDAY)] == [False]


async def test_no_register_is_due_in_a_class_without_students_or_of_a_session_that_has_ended(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    assert await due(registers, day=date(2024, 9, 1)) == []
    async with database.transaction() as connection:
        await connection.execute(update(sessions).values(end_date=WEDNESDAY))
    assert await due(registers) == []
    assert len(await due(registers, day=TUESDAY)) == 1


async def test_a_register_with_marks_is_listed_although_it_was_not_due(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    await meet(database, school, (4, "08:00"))
    assert await registers.count(ADMIN, RegisterFilters(day=TUESDAY)) == RegisterCount(due=0, taken=0)
    await mark(database, school, TUESDAY, school.student_ids[:2])
    (found,) = await due(registers, day=TUESDAY)
    assert (found.state, found.marked) == (RegisterState.PARTIAL, 2)
    assert await registers.count(ADMIN, RegisterFilters(day=TUESDAY)) == RegisterCount(due=1, taken=0)
    await close(database, school, TUESDAY)
    assert await due(registers, day=TUESDAY) == []


@pytest.mark.parametrize(
    ("times", "day", "is_due"),
    [
        ([(3, "08:00")], WEDNESDAY, True),
        ([(3, "12:00")], WEDNESDAY, True),
        ([(3, "12:01")], WEDNESDAY, False),
        ([(3, "08:00"), (3, "14:00")], WEDNESDAY, True),
        ([(4, "08:00")], WEDNESDAY, False),
        ([(2, "23:00")], TUESDAY, True),
        ([(4, "08:00")], THURSDAY, False),
    ],
)
async def test_a_session_with_times_is_due_once_it_has_begun(
    database: Database, school: SchoolIds, registers: Registers, times: list[tuple[int, str]], day: date, is_due: bool
) -> None:
    await meet(database, school, *times)
    assert bool(await due(registers, day=day)) == is_due


async def test_a_session_without_times_is_due_on_the_weekdays_of_its_school_only(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    saturday, sunday = date(2024, 12, 21), date(2024, 12, 22)
    assert [len(await due(registers, day=day)) for day in (TUESDAY, saturday, sunday)] == [1, 0, 0]
    async with database.transaction() as connection:
        await connection.execute(update(schools).values(weekdays="16"))
    assert [len(await due(registers, day=day)) for day in (TUESDAY, saturday, sunday)] == [0, 1, 0]
    assert await registers.count(ADMIN, RegisterFilters(day=TUESDAY)) == RegisterCount(0, 0)
    await meet(database, school, (2, "08:00"), (7, "08:00"))
    assert [len(await due(registers, day=day)) for day in (TUESDAY, saturday, sunday)] == [1, 0, 1]


async def test_a_session_without_times_is_due_all_day_and_not_tomorrow(school: SchoolIds, registers: Registers) -> None:
    assert len(await due(registers, day=WEDNESDAY)) == 1
    assert await due(registers, day=THURSDAY) == []


@pytest.mark.parametrize(
    ("from_time", "times", "is_due"),
    [
        (None, [], False),
        (None, [(3, "08:00")], False),
        ("11:00", [], True),
        ("11:00", [(3, "11:00")], False),
        ("11:00", [(3, "08:00"), (3, "11:30")], True),
    ],
)
async def test_no_register_is_due_while_the_school_is_closed(
    database: Database,
    school: SchoolIds,
    registers: Registers,
    from_time: str | None,
    times: list[tuple[int, str]],
    is_due: bool,
) -> None:
    await close(database, school, WEDNESDAY, from_time)
    if times:
        await meet(database, school, *times)
    assert bool(await due(registers)) == is_due


async def test_no_register_is_due_outside_of_terms(database: Database, school: SchoolIds, registers: Registers) -> None:
    async with database.transaction() as connection:
        term = {"title": "Autumn", "begin_date": date(2024, 9, 2), "end_date": WEDNESDAY}
        await connection.execute(insert(terms).values(school_id=school.school_id, **term))
    assert await due(registers) == []
    assert len(await due(registers, day=TUESDAY)) == 1


async def test_today_is_in_the_time_zone_of_each_school(database: Database, registers: Registers) -> None:
    """At noon in UTC it is the 26th on the one side of the date line, and the 25th on the other."""
    async with database.transaction() as connection:
        east = await make_school(connection, time_zone="Pacific/Kiritimati")
        west = await make_school(connection, time_zone="Pacific/Pago_Pago")
    await meet(database, east, (4, "02:00"))
    await meet(database, west, (3, "01:01"))
    assert [(each.class_id, each.learning_date) for each in await due(registers)] == [(east.class_id, THURSDAY)]
    assert await due(registers, school_id=west.school_id) == []
    await meet(database, west, (3, "01:00"))
    assert [each.learning_date for each in await due(registers)] == [THURSDAY, WEDNESDAY]


async def test_the_registers_of_an_unknown_school_are_refused_and_those_of_no_school_are_none(
    registers: Registers,
) -> None:
    assert await due(registers) == []
    with pytest.raises(NotFound):
        await due(registers, school_id=1)


async def test_registers_are_narrowed_to_a_school_a_class_and_a_teacher(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    async with database.transaction() as connection:
        other = await make_school(connection)
    assert [each.class_id for each in await due(registers)] == [school.class_id, other.class_id]
    assert [each.class_id for each in await due(registers, school_id=other.school_id)] == [other.class_id]
    assert [each.class_id for each in await due(registers, class_id=other.class_id)] == [other.class_id]
    assert [each.class_id for each in await due(registers, teacher_id=other.teacher_id)] == [other.class_id]


async def test_a_teacher_sees_registers_of_their_classes_on_the_days_on_which_they_teach(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    async with database.transaction() as connection:
        colleagues = await make_class(connection, school.school_id)
        await make_session(connection, colleagues)
        await enrol(connection, colleagues, school.student_ids)
        later = await make_user(connection, Role.TEACHER, school.school_id)
        await assign(connection, colleagues, later, begin=WEDNESDAY)
    teacher = caller(Role.TEACHER, school.school_id, school.teacher_id)
    assert [each.class_id for each in await due(registers, teacher)] == [school.class_id]
    new = caller(Role.TEACHER, school.school_id, later)
    assert [each.class_id for each in await due(registers, new)] == [colleagues]
    assert await due(registers, new, day=TUESDAY) == []
    assert len(await due(registers, caller(Role.OFFICE, school.school_id))) == 2
    assert await due(registers, caller(Role.OFFICE, school.school_id + 1)) == []


async def test_without_permission_for_rosters_no_missing_student_is_named(
    school: SchoolIds, registers: Registers
) -> None:
    key = Caller(Role.KEY, frozenset({Permission.ATTENDANCE_READ}), key_id=1)
    (found,) = await due(registers, key)
    assert (found.marked, found.expected, found.missing_student_ids) == (0, 3, None)


async def test_without_permission_for_records_registers_are_refused(registers: Registers) -> None:
    with pytest.raises(Forbidden):
        await due(registers, caller(Role.OPERATOR, 1))


async def test_pages_are_ordered_by_class_and_session(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    async with database.transaction() as connection:
        second = await make_session(connection, school.class_id, period="2")
        other = await make_school(connection)
    found: list[tuple[int, int]] = []
    cursor: str | None = None
    for _ in range(3):
        page = await registers.page(ADMIN, RegisterFilters(), PageRequest(cursor, 1))
        found += [(each.class_id, each.session_id) for each in page.items]
        cursor = page.next_cursor
    assert cursor is None
    own = school.class_id
    assert found == [(own, school.session_id), (own, second), (other.class_id, other.session_id)]
    with pytest.raises(Invalid):
        await registers.page(ADMIN, RegisterFilters(TUESDAY), PageRequest("bm9uZQ"))


async def test_a_page_takes_three_statements_for_any_number_of_classes(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    async with database.transaction() as connection:
        for _ in range(20):
            class_id = await make_class(connection, school.school_id)
            await make_session(connection, class_id)
            await enrol(connection, class_id, school.student_ids)
            row = {"class_id": class_id, "user_id": school.teacher_id, "begin_date": None, "end_date": None}
            await connection.execute(insert(class_teachers).values(**row))
    with statements_sent(database) as sent:
        assert len(await due(registers)) == 21
    assert sum(statement.lstrip().startswith(("SELECT", "WITH")) for statement, _ in sent) == 3


async def test_upcoming_registers_are_listed_on_request_with_their_times(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    await meet(database, school, (3, "13:00"), (3, "08:00"), (4, "09:00"))
    (today,) = await due(registers, with_upcoming=True)
    (tomorrow,) = await due(registers, with_upcoming=True, day=THURSDAY)
    assert today.times == (("08:00", "23:59"), ("13:00", "23:59"))
    assert (tomorrow.learning_date, tomorrow.times) == (THURSDAY, (("09:00", "23:59"),))


async def test_a_register_counts_the_students_of_the_roster_by_status(
    database: Database, school: SchoolIds, registers: Registers
) -> None:
    await mark(database, school, WEDNESDAY, [*school.student_ids, 999])
    async with database.transaction() as connection:
        late = update(attendances).where(attendances.c.student_id == school.student_ids[0])
        await connection.execute(late.values(status="late"))
    (found,) = await due(registers, missing_only=False)
    assert (found.school_id, found.status_counts) == (school.school_id, {"late": 1, "present": 2})
