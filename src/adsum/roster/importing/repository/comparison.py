"""The students who join, leave or move in an import: their classes before and after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Insert,
    Select,
    Subquery,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.roster.importing.repository.changes import has_not_ended
from adsum.roster.importing.repository.staging import MAX_IDS_PER_STATEMENT, index_staged
from adsum.roster.importing.rules import ChangedStudent, ChangedStudents, ClassChange, StudentChange
from adsum.roster.importing.tables import (
    import_changed_students,
    import_known_students,
    import_moves,
    import_places,
    import_schools,
)
from adsum.roster.tables import classes, enrolments, is_student, students
from adsum.schools.tables import schools

_Rows = Select[*tuple[Any, ...]]
_ChangesOfClasses = dict[int, list[ClassChange]]


async def remember_places(connection: AsyncConnection) -> None:
    """Stores the students of the schools of the import, and their classes, before anything changes."""
    for table, rows in ((import_places, _add_places()), (import_known_students, _add_known_students())):
        await connection.execute(rows)
        await index_staged(connection, table)


async def compare_places(connection: AsyncConnection) -> None:
    """Finds the students who join, leave and move since `remember_places`."""
    for statement in _add_moves():
        await connection.execute(statement)
    await index_staged(connection, import_moves)
    await connection.execute(_add_changed_students())
    await index_staged(connection, import_changed_students)


@cache
def _add_places() -> Insert:
    stored = _stored_places().subquery("stored")
    return _insert(import_places, select(stored.c.student_id, stored.c.class_id, stored.c.end_date))


@cache
def _add_known_students() -> Insert:
    of_school = students.c.school_id.in_(select(import_schools.c.school_id))
    placed = students.c.id.in_(select(import_places.c.student_id))
    return _insert(import_known_students, select(students.c.id, students.c.active).where(or_(of_school, placed)))


@cache
def _add_moves() -> tuple[Insert, Insert]:
    stored = _stored_places().subquery("stored")
    return _insert(import_moves, _joined(stored)), _insert(import_moves, _left(stored))


async def changed_students(
    connection: AsyncConnection, change: StudentChange, limit: int | None, *, with_names: bool
) -> ChangedStudents:
    """The students with one kind of change, the first `limit` of them by name."""
    s, of_change = students.c, import_changed_students.c.change == change.value
    count = await connection.scalar(select(func.count()).select_from(import_changed_students).where(of_change)) or 0
    listed = (
        select(s.id, import_changed_students.c.is_new, s.source_id, s.given_name, s.family_name)
        .join(import_changed_students, import_changed_students.c.student_id == s.id)
        .where(of_change)
        .order_by(s.family_name, s.given_name, s.id)
        .limit(limit)
    )
    rows = (await connection.execute(listed)).all()
    joined, left = await _class_changes(connection, [row.id for row in rows], with_names=with_names)
    found = [
        ChangedStudent(
            None if is_new else id_,
            source_id,
            given if with_names else None,
            family if with_names else None,
            joined[id_],
            left[id_],
        )
        for id_, is_new, source_id, given, family in rows
    ]
    return ChangedStudents(count, found)


async def _class_changes(
    connection: AsyncConnection, ids: Sequence[int], *, with_names: bool
) -> tuple[_ChangesOfClasses, _ChangesOfClasses]:
    """The classes that these students join, and those that they leave, by student."""
    joined: _ChangesOfClasses = defaultdict(list)
    left: _ChangesOfClasses = defaultdict(list)
    m, c = import_moves.c, classes.c
    for start in range(0, len(ids), MAX_IDS_PER_STATEMENT):
        statement = (
            select(m.student_id, m.joined, c.source_id, c.title, schools.c.name, m.day)
            .join(classes, c.id == m.class_id)
            .join(schools, schools.c.id == c.school_id)
            .where(m.student_id.in_(ids[start : start + MAX_IDS_PER_STATEMENT]))
            .order_by(m.student_id, c.title, c.id)
        )
        for student_id, is_joined, source_id, title, school, day in await connection.execute(statement):
            names = (title, school) if with_names else (None, None)
            (joined if is_joined else left)[student_id].append(ClassChange(source_id, *names, day))
    return joined, left


def _stored_places() -> _Rows:
    """The classes of students today or later, with the first and the last day of their enrolments; NULL: no bound."""
    e = enrolments.c
    return (
        select(
            e.student_id,
            e.class_id,
            case((func.count(e.begin_date) == func.count(), func.min(e.begin_date))).label("begin_date"),
            case((func.count(e.end_date) == func.count(), func.max(e.end_date))).label("end_date"),
        )
        .join(classes, classes.c.id == e.class_id)
        .join(import_schools, import_schools.c.school_id == classes.c.school_id)
        .where(has_not_ended(enrolments, import_schools.c.today))
        .group_by(e.student_id, e.class_id)
    )


def _joined(stored: Subquery) -> _Rows:
    p = import_places.c
    was_there = exists().where(p.student_id == stored.c.student_id, p.class_id == stored.c.class_id)
    return select(stored.c.student_id, stored.c.class_id, literal(True), stored.c.begin_date).where(not_(was_there))


def _left(stored: Subquery) -> _Rows:
    """Enrolments that ended, and those whose end is now near and was not."""
    p, e = import_places.c, enrolments.c
    same = and_(stored.c.student_id == p.student_id, stored.c.class_id == p.class_id)
    ended_on = (
        select(func.max(e.end_date)).where(e.student_id == p.student_id, e.class_id == p.class_id).scalar_subquery()
    )
    ends_earlier = or_(p.end_date.is_(None), stored.c.end_date < p.end_date)
    return (
        select(p.student_id, p.class_id, literal(False), func.coalesce(stored.c.end_date, ended_on))
        .select_from(import_places)
        .join(classes, classes.c.id == p.class_id)
        .join(import_schools, import_schools.c.school_id == classes.c.school_id)
        .outerjoin(stored, same)
        .where(
            or_(
                stored.c.student_id.is_(None),
                and_(stored.c.end_date <= import_schools.c.soon, ends_earlier),
            )
        )
    )


@cache
def _add_changed_students() -> Insert:
    """Each student with a change, which is the first that applies: joins, leaves, moves."""
    s, known = students.c, import_known_students.c
    moves, places = _counts_of_moves(), _counts_of_places()
    joined, left = func.coalesce(moves.c.joined, 0), func.coalesce(moves.c.left, 0)
    count = func.coalesce(places.c.classes, 0)
    was_active = func.coalesce(known.active, false())
    joins = or_(and_(not_(was_active), s.active), and_(count == 0, joined > 0))
    leaves = or_(and_(was_active, not_(s.active)), and_(count > 0, left == count, joined == 0))
    moved = moves.c.student_id.is_not(None)
    of_import = s.school_id.in_(select(import_schools.c.school_id))
    change = case(
        (joins, StudentChange.JOINS.value), (leaves, StudentChange.LEAVES.value), else_=StudentChange.MOVES.value
    )
    rows = (
        select(s.id, change, known.student_id.is_(None))
        .select_from(students)
        .outerjoin(import_known_students, known.student_id == s.id)
        .outerjoin(moves, moves.c.student_id == s.id)
        .outerjoin(places, places.c.student_id == s.id)
        .where(or_(moved, and_(of_import, is_student, was_active != s.active)))
    )
    return _insert(import_changed_students, rows)


def _counts_of_moves() -> Subquery:
    m = import_moves.c
    return (
        select(
            m.student_id,
            func.sum(case((m.joined, 1), else_=0)).label("joined"),
            func.sum(case((m.joined, 0), else_=1)).label("left"),
        )
        .group_by(m.student_id)
        .subquery("moves")
    )


def _counts_of_places() -> Subquery:
    p = import_places.c
    return select(p.student_id, func.count().label("classes")).group_by(p.student_id).subquery("places")


def _insert(table: Table, rows: _Rows) -> Insert:
    return insert(table).from_select([column.name for column in table.columns], rows)
