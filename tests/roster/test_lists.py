"""Filters and pages of the lists of classes, sessions and students."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from adsum.accounts.access import Role
from adsum.platform.database.engine import Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.paging import PageRequest
from adsum.roster.rules import ClassFilters, SessionFilters, StudentFilters
from adsum.roster.service import Directory
from tests.support.schools import caller, enrol, make_bare_school, make_class, make_session, make_student

ADMIN = caller(Role.ADMIN)
FIRST = PageRequest()


@pytest.fixture
def directory(database: Database) -> Directory:
    """The directory on Christmas Day 2024, at noon in UTC."""
    return Directory(database, StandbyReader(database), lambda: datetime(2024, 12, 25, 12, tzinfo=UTC))


@pytest.fixture
async def school_id(database: Database) -> int:
    async with database.transaction() as connection:
        return await make_bare_school(connection)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("maths", ["Maths 7b", "100% maths"]),
        ("MATHS 7", ["Maths 7b"]),
        ("7B maths", ["Maths 7b"]),
        ("ma-7", ["Maths 7b"]),
        ("src-2", ["Übungen"]),
        ("übungen", ["Übungen"]),
        ("ÜBUNGEN", ["Übungen"]),
        ("%", ["100% maths"]),
        ("_", []),
        ("", ["Maths 7b", "Übungen", "100% maths"]),
    ],
)
async def test_classes_are_found_by_words(
    database: Database, directory: Directory, school_id: int, words: str, found: list[str]
) -> None:
    async with database.transaction() as connection:
        await make_class(connection, school_id, title="Maths 7b", code="MA-7")
        await make_class(connection, school_id, title="Übungen", source_id="src-2")
        await make_class(connection, school_id, title="100% maths")

    page = await directory.classes(ADMIN, ClassFilters(words=words), FIRST)

    assert [row.title for row in page.items] == found


async def test_classes_are_found_by_school_by_source_id_and_by_whether_they_are_active(
    database: Database, directory: Directory, school_id: int
) -> None:
    async with database.transaction() as connection:
        other = await make_bare_school(connection)
        ended = await make_class(connection, school_id, source_id="A", active=False)
        going = await make_class(connection, school_id, source_id="B")
        elsewhere = await make_class(connection, other, source_id="A")

    async def found(filters: ClassFilters) -> list[int]:
        return [row.id for row in (await directory.classes(ADMIN, filters, FIRST)).items]

    assert await found(ClassFilters(school_id=school_id)) == [ended, going]
    assert await found(ClassFilters(source_id="A")) == [ended, elsewhere]
    assert await found(ClassFilters(source_id="A", active=True)) == [elsewhere]
    assert await found(ClassFilters(active=False)) == [ended]


async def test_sessions_are_found_by_class(database: Database, directory: Directory, school_id: int) -> None:
    async with database.transaction() as connection:
        class_id, other = await make_class(connection, school_id), await make_class(connection, school_id)
        first = await make_session(connection, class_id, period="1", title="Period 1")
        await make_session(connection, other)
        second = await make_session(connection, class_id, period="2", title="Period 2")

    page = await directory.sessions(ADMIN, SessionFilters(class_id=class_id), FIRST)

    assert [(row.id, row.period) for row in page.items] == [(first, "1"), (second, "2")]


async def test_students_are_found_by_name_source_id_class_and_day(
    database: Database, directory: Directory, school_id: int
) -> None:
    async with database.transaction() as connection:
        class_id = await make_class(connection, school_id)
        ada = await make_student(connection, school_id, given="Ada", family="Byron", source_id="S1")
        ben = await make_student(connection, school_id, given="Ben", family="Ada-Smith")
        cai = await make_student(connection, school_id, given="Cai", family="Łukasz", active=False)
        await enrol(connection, class_id, [ada], end=date(2024, 12, 10))
        await enrol(connection, class_id, [ben])

    async def found(filters: StudentFilters) -> list[int]:
        return [row.id for row in (await directory.students(ADMIN, filters, FIRST)).items]

    assert await found(StudentFilters()) == [ada, ben, cai]
    assert await found(StudentFilters(words="ada")) == [ada, ben]
    assert await found(StudentFilters(words="byron ada")) == [ada]
    assert await found(StudentFilters(words="łukasz")) == [cai]
    assert await found(StudentFilters(source_id="S1")) == [ada]
    assert await found(StudentFilters(class_id=class_id)) == [ben]
    assert await found(StudentFilters(class_id=class_id, day=date(2024, 12, 9))) == [ada, ben]
    assert await found(StudentFilters(day=date(2024, 12, 9))) == [ada, ben]
    assert await found(StudentFilters(day=date(2024, 12, 10), words="ada")) == [ben]


async def test_lists_of_the_directory_are_paged_by_id(database: Database, directory: Directory, school_id: int) -> None:
    async with database.transaction() as connection:
        class_ids = [await make_class(connection, school_id) for _ in range(3)]
        session_ids = [await make_session(connection, class_id) for class_id in class_ids]
        student_ids = [await make_student(connection, school_id) for _ in range(3)]

    classes = await directory.classes(ADMIN, ClassFilters(), PageRequest(limit=2))
    sessions = await directory.sessions(ADMIN, SessionFilters(), PageRequest(limit=2))
    students = await directory.students(ADMIN, StudentFilters(), PageRequest(limit=2))
    last_classes = await directory.classes(ADMIN, ClassFilters(), PageRequest(classes.next_cursor, 2))
    last_sessions = await directory.sessions(ADMIN, SessionFilters(), PageRequest(sessions.next_cursor, 2))
    last_students = await directory.students(ADMIN, StudentFilters(), PageRequest(students.next_cursor, 2))

    assert [row.id for row in (*classes.items, *last_classes.items)] == class_ids
    assert [row.id for row in (*sessions.items, *last_sessions.items)] == session_ids
    assert [row.id for row in (*students.items, *last_students.items)] == student_ids
    assert (last_classes.next_cursor, last_sessions.next_cursor, last_students.next_cursor) == (None, None, None)
