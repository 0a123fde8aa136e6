"""Statements about students and their enrolments."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from sqlalchemy import ColumnElement, Select, exists, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import can_see_school, in_visible_class, in_visible_school, taught_classes
from adsum.platform.database.search import distance, mentions
from adsum.platform.database.validity import Day, valid_on
from adsum.platform.ids import MAX_ID
from adsum.roster.repository.membership import (
    in_one_school,
    is_active,
    is_visible_student,
    shown_school,
    student_in_school,
    student_names,
)
from adsum.roster.rules import RosterStudent, StudentFilters, StudentName, StudentRow, grades_of, name_order
from adsum.roster.tables import classes, enrolments, is_student, named_student_id, student_schools, students
from adsum.schools.tables import schools

# Postgres allows 32,767 parameters in a statement.
MAX_IDS_PER_STATEMENT = 10_000


async def list_students(
    connection: AsyncConnection, caller: Caller, filters: StudentFilters, today: Day, after: int, limit: int
) -> list[StudentRow]:
    """At most `limit` students whom the caller sees, by id, with ids greater than `after`.

    A teacher sees the students who are enrolled, on `filters.day` or today, in a class that the teacher is assigned to
    on that day. Other callers see all students of their schools.
    """
    caller = in_one_school(caller, filters.school_id)
    statement = _students(caller).where(students.c.id > after)
    statement = statement.order_by(students.c.id).limit(limit)
    if caller.teaches_only or filters.class_id is not None or filters.day is not None:
        statement = statement.where(_enrolled(caller, filters.class_id, filters.day or today))
    if filters.words is not None:
        statement = statement.where(await _is_or_was(connection, mentions(filters.words, students.c.search_text)))
    if filters.source_id is not None:
        statement = statement.where(_is_named(caller, filters.source_id))
    return [StudentRow(*row) for row in await connection.execute(statement)]


async def search_students(
    connection: AsyncConnection,
    caller: Caller,
    words: str,
    today: Day,
    limit: int,
    *,
    school_id: int | None = None,
    day: date | None = None,
) -> list[StudentRow]:
    """The `limit` best matches among the students whom the caller sees today, as in `list_students`, the best first.

    `school_id`: only students of this school. `day`: only students who are enrolled on this day.
    """
    c, caller = students.c, in_one_school(caller, school_id)
    statement = _students(caller).where(await _is_or_was(connection, mentions(words, c.search_text)))
    if caller.teaches_only:
        statement = statement.where(students.c.id.in_(_taught_students(caller, today)))
    if day is not None:
        statement = statement.where(_enrolled(caller, None, day))
    how_far = distance(words, c.search_text)
    best = (how_far, is_active(caller).desc(), c.family_name, c.given_name, c.id)
    found = await connection.execute(statement.add_columns(how_far).order_by(*best).limit(limit))
    rows = [(far, StudentRow(*row)) for *row, far in found]
    rows.sort(key=lambda each: (each[0], not each[1].active, each[1].name_order))
    return [row for _, row in rows]


async def find_student(
    connection: AsyncConnection, caller: Caller, student_id: int, school_id: int | None = None
) -> StudentRow | None:
    """The student, if the caller sees them; a teacher sees students of the classes that they teach on any day.

    `school_id`: only as a student of this school, home or not.
    """
    statement = _students(in_one_school(caller, school_id)).where(students.c.id == student_id)
    if caller.teaches_only:
        statement = statement.where(ever_taught(caller))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else StudentRow(*row)


async def is_visible_student_of_school(
    connection: AsyncConnection, caller: Caller, school_id: int, student_id: int
) -> bool:
    """Whether the school has this student and the caller sees them, as in `find_student`."""
    return await find_student(connection, caller, student_id, school_id) is not None


async def schools_of_students(
    connection: AsyncConnection, caller: Caller, student_ids: Collection[int]
) -> dict[int, list[int]]:
    """The visible schools of each student, the home school first; without students of other schools."""
    storable = [student_id for student_id in student_ids if 1 <= student_id <= MAX_ID]
    found: dict[int, list[int]] = {}
    for start in range(0, len(storable), MAX_IDS_PER_STATEMENT):
        found |= await _schools_of_some(connection, caller, storable[start : start + MAX_IDS_PER_STATEMENT])
    return found


async def _schools_of_some(
    connection: AsyncConnection, caller: Caller, student_ids: Collection[int]
) -> dict[int, list[int]]:
    s, o, are_asked = students.c, student_schools.c, (is_student, students.c.id.in_(student_ids))
    home = select(s.id, s.school_id).where(*are_asked)
    others = select(o.student_id, o.school_id).join(students, s.id == o.student_id).where(*are_asked)
    found: dict[int, list[int]] = {}
    for statement in (home, others.order_by(o.active.desc(), o.school_id)):
        for student_id, school_id in await connection.execute(statement):
            if can_see_school(caller, school_id):
                found.setdefault(student_id, []).append(school_id)
    return found


async def visible_student_names(
    connection: AsyncConnection, caller: Caller, student_ids: Collection[int]
) -> dict[int, StudentName]:
    """Names by student id, of the students whom the caller sees, as in `find_student`."""
    found = select(students.c.id, students.c.given_name, students.c.family_name).where(
        students.c.id.in_(student_ids), is_visible_student(caller)
    )
    if caller.teaches_only:
        found = found.where(ever_taught(caller))
    return {row.id: StudentName(row.given_name, row.family_name) for row in await connection.execute(found)}


async def grades_of_school(connection: AsyncConnection, school_id: int) -> dict[int, tuple[str, ...]]:
    """The current grades of each student of a school."""
    rows = await connection.execute(select(students.c.id, students.c.grade).where(student_in_school(school_id)))
    return {row.id: grades_of(row.grade) for row in rows}


def is_in_grade(grade: str) -> ColumnElement[bool]:
    """Students who are in this grade, among others or not. LIKE would ignore case on SQLite."""
    listed = literal(",") + students.c.grade + literal(",")
    return func.replace(listed, f",{grade},", "") != listed


async def roster_of(connection: AsyncConnection, class_id: int, day: date) -> list[RosterStudent]:
    """The students who are enrolled in the class on `day`, each once, in the order of `name_order`.

    Only the dates of the enrolments count: a student who is missing from the newest roster file stays on the rosters of
    the days on which they were enrolled.
    """
    enrolled = select(enrolments.c.student_id).where(enrolments.c.class_id == class_id, valid_on(enrolments, day))
    s = students.c
    statement = select(s.id, s.source_id, s.given_name, s.family_name, s.grade).where(s.id.in_(enrolled))
    roster = [RosterStudent(*row) for row in await connection.execute(statement)]
    return sorted(roster, key=lambda each: name_order(each.family_name, each.given_name, each.student_id))


async def keep_students(connection: AsyncConnection, student_ids: Collection[int]) -> set[int]:
    """Prevents the erasure of these students until the transaction ends. Returns those who exist.

    Call it before something about students is stored that no constraint ties to them: their erasure would not find it.
    """
    kept: set[int] = set()
    ids = sorted(student_ids)
    for i in range(0, len(ids), MAX_IDS_PER_STATEMENT):
        some = ids[i : i + MAX_IDS_PER_STATEMENT]
        found = select(students.c.id).where(students.c.id.in_(some)).order_by(students.c.id)
        kept.update(await connection.scalars(found.with_for_update(read=True, key_share=True)))
    return kept


def _students(caller: Caller) -> Select[int, int, str | None, str, str, str | None, bool]:
    """The columns of `StudentRow`, of the students of the caller's schools.

    Joins schools, because `today` may be an expression over their time zone.
    """
    s, shown = students.c, shown_school(caller)
    return (
        select(s.id, shown, s.source_id, s.given_name, s.family_name, s.grade, is_active(caller))
        .join(schools, schools.c.id == shown)
        .where(is_visible_student(caller))
    )


def _is_named(caller: Caller, source_id: str) -> ColumnElement[bool]:
    """Students with this source id at a school that the caller sees."""
    named = select(student_names.c.student_id).where(student_names.c.source_id == source_id)
    if caller.schools is not None:
        named = named.where(student_names.c.school_id.in_(sorted(caller.schools)))
    return students.c.id.in_(named)


async def _is_or_was(connection: AsyncConnection, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Students who meet the condition, or into whose record one was merged that meets it."""
    merged = select(students.c.merged_into).where(students.c.merged_into.is_not(None), condition)
    ids = list(await connection.scalars(merged))
    return or_(condition, students.c.id.in_(ids)) if ids else condition


def _enrolled(caller: Caller, class_id: int | None, day: Day) -> ColumnElement[bool]:
    """Students who are enrolled on `day` in this class, or in any class that the caller sees on that day."""
    enrolled = select(enrolments.c.id).where(
        enrolments.c.student_id == students.c.id,
        valid_on(enrolments, day),
        in_visible_class(caller, enrolments.c.class_id, day),
    )
    if caller.schools is not None:
        # A student of several schools is enrolled in classes of others, too.
        enrolled = enrolled.join(classes, classes.c.id == enrolments.c.class_id)
        enrolled = enrolled.where(in_visible_school(caller, classes.c.school_id))
    return exists(enrolled if class_id is None else enrolled.where(enrolments.c.class_id == class_id))


def _taught_students(caller: Caller, day: Day) -> Select[int]:
    """The ids of the students in the classes that a teacher sees on `day`.

    The rule is that of `_enrolled`. Databases make this list once, and do not look for each student of the schools.
    """
    return (
        select(enrolments.c.student_id)
        .join(classes, classes.c.id == enrolments.c.class_id)
        .where(
            enrolments.c.class_id.in_(taught_classes(caller, day)),
            valid_on(enrolments, day),
            in_visible_school(caller, classes.c.school_id),
        )
    )


def ever_taught(caller: Caller) -> ColumnElement[bool]:
    """Students with an enrolment, of any date, in a class that the caller teaches on any day."""
    return exists().where(
        enrolments.c.student_id == named_student_id, in_visible_class(caller, enrolments.c.class_id, None)
    )
