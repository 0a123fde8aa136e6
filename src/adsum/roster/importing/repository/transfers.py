"""Transfers between schools, and students of several schools: one source id is one student in all schools of an import.

A student who is no longer listed at the home school, and is listed at another school, transfers: the other school
becomes the home school. A student who is listed at both belongs to both. See `adsum.roster.repository.membership`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Insert,
    Row,
    Select,
    Update,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.platform.database.search import with_search_text
from adsum.roster.importing.repository.changes import ENROLMENTS, STUDENTS, is_missing, of_import
from adsum.roster.importing.repository.staging import read_all
from adsum.roster.importing.rules import MAX_VIOLATIONS, STUDENT_CELLS, DoubleStudent, KnownStudents
from adsum.roster.importing.tables import (
    import_elsewhere,
    import_enrolments,
    import_leavers,
    import_schools,
    import_students,
    import_transfers,
)
from adsum.roster.repository.membership import student_names
from adsum.roster.tables import classes, is_student, student_schools, students
from adsum.schools.tables import schools

_MERGED = students.alias("merged")
_MEMBERSHIP = ("student_id", "school_id", "active", "source_id")
_FORGET_ELSEWHERE = delete(import_elsewhere)


async def known_students(connection: AsyncConnection) -> KnownStudents:
    """The students to whom enrolments can refer."""
    return await asyncio.to_thread(_known_students, await read_all(connection, _ranked_names()))


@cache
def _ranked_names() -> Select[int, str, int, bool]:
    """Later rows replace earlier ones: an active student is found first, and a student at home first of all."""
    n = student_names.c
    return _names_of_import().order_by(n.is_home, n.active, n.row_id)


def _known_students(ranked: Sequence[Row[int, str, int, bool]]) -> KnownStudents:
    active: dict[str, set[int]] = {}
    for _, source_id, student_id, is_active in ranked:
        if is_active:
            active.setdefault(source_id or "", set()).add(student_id)
    at_schools = {(row[0], row[1] or ""): row[2] for row in ranked if row[1] in active}
    return KnownStudents(at_schools, {source: next(iter(ids)) for source, ids in active.items() if len(ids) == 1})


async def active_students(connection: AsyncConnection) -> dict[tuple[int, str], int]:
    """Ids by school and source id, of the active students of each school of the import."""
    rows = await read_all(connection, _active_names())
    return await asyncio.to_thread(lambda: {(row[0], row[1] or ""): row[2] for row in rows})


@cache
def _active_names() -> Select[int, str, int, bool]:
    n = student_names.c
    return _names_of_import().where(n.active).order_by(n.is_home, n.row_id)


def _names_of_import() -> Select[int, str, int, bool]:
    """The names of the students of the schools of the import."""
    n = student_names.c
    return (
        select(n.school_id, n.source_id, n.student_id, n.active)
        .join(import_schools, import_schools.c.school_id == n.school_id)
        .where(n.source_id.is_not(None))
    )


async def find_elsewhere(connection: AsyncConnection) -> None:
    """Finds the listed students who are stored as students of other schools of the import only."""
    await connection.execute(_FORGET_ELSEWHERE)
    await connection.execute(_find_elsewhere())


@cache
def _find_elsewhere() -> Insert:
    staged, o = import_students, student_schools.c
    person = _names_of_import().subquery("person")
    is_member = exists().where(o.student_id == person.c.student_id, o.school_id == staged.c.school_id)
    order = case((is_member, 0), else_=1), person.c.active.desc(), person.c.student_id
    found = (
        select(
            *(staged.c.school_id, staged.c.source_id, person.c.student_id),
            func.row_number().over(partition_by=(staged.c.school_id, staged.c.source_id), order_by=order).label("rank"),
        )
        .join(person, person.c.source_id == staged.c.source_id)
        .where(STUDENTS.is_present(staged), not_(exists().where(STUDENTS.same(staged))))
        .subquery("found")
    )
    rows = select(found.c.school_id, found.c.source_id, found.c.student_id).where(found.c.rank == 1)
    return insert(import_elsewhere).from_select(["school_id", "source_id", "student_id"], rows)


async def double_students(connection: AsyncConnection, caller: Caller, *, is_delta: bool) -> list[DoubleStudent]:
    """The listed students who are new, and whose source ids name students of other visible schools, by row.

    After `find_elsewhere`, before students are added. A complete file may be of a school with source ids of its own, so
    of its students those count who have the same name.
    """
    staged, n, known = import_students.c, student_names.c, students.alias("known")
    is_named_alike = and_(known.c.given_name == staged.given_name, known.c.family_name == staged.family_name)
    statement = (
        select(staged.row, staged.school_id, staged.source_id, func.min(n.student_id), func.min(schools.c.name))
        .join(student_names, n.source_id == staged.source_id)
        .join(known, known.c.id == n.student_id)
        .join(schools, schools.c.id == n.school_id)
        .where(
            STUDENTS.is_present(import_students), STUDENTS.is_new, not_(exists().where(STUDENTS.same(import_students)))
        )
        .where(n.school_id.not_in(select(import_schools.c.school_id)), in_visible_school(caller, n.school_id))
        .where(true() if is_delta else is_named_alike)
        .group_by(staged.row, staged.school_id, staged.source_id)
        .order_by(staged.row)
        .limit(MAX_VIOLATIONS)
    )
    return [DoubleStudent(*row) for row in await connection.execute(statement)]


async def transfer(connection: AsyncConnection, *, absent: bool) -> int:
    """Gives the students who leave their home school for another one a new home; returns their number.

    `absent`: whether students who are not in the file have left.
    """
    for statement in (_find_transfers(absent=absent), *_leave_home_schools()):
        await connection.execute(statement)
    moved, renamed, left = _change_home_schools()
    count = (await connection.execute(moved)).rowcount
    await connection.execute(renamed)
    await connection.execute(left)
    return count


@cache
def _find_transfers(*, absent: bool) -> Insert:
    e, s = import_elsewhere.c, students.c
    taken, own_name = students.alias("taken").c, case((e.source_id == s.source_id, e.school_id))
    leaving = (
        select(s.id, s.school_id, func.coalesce(func.min(own_name), func.min(e.school_id)))
        .join(import_elsewhere, e.student_id == s.id)
        .where(*of_import(STUDENTS), or_(not_(s.active), is_missing(STUDENTS, absent=absent)))
        .where(not_(_stays_as_merged(absent=absent)))
        # A merged record may be listed at a school where another student has the source id of this one.
        .where(not_(exists().where(taken.school_id == e.school_id, taken.source_id == s.source_id)))
        .group_by(s.id, s.school_id)
    )
    return insert(import_transfers).from_select(["student_id", "old_school_id", "school_id"], leaving)


@cache
def _leave_home_schools() -> tuple[Delete, Insert]:
    """The new home school is no other school any more; the old one becomes one, as a former school."""
    s, t, o = students.c, import_transfers.c, student_schools.c
    becomes_home = exists().where(t.student_id == o.student_id, t.school_id == o.school_id)
    former = select(t.student_id, t.old_school_id, literal(False), s.source_id).join(students, s.id == t.student_id)
    return delete(student_schools).where(becomes_home), insert(student_schools).from_select(_MEMBERSHIP, former)


@cache
def _change_home_schools() -> tuple[Update, Update, Insert]:
    """The new home, the names that it lists, and the schools that are left."""
    s, t, staged = students.c, import_transfers.c, import_students.c
    moved = update(students).values(school_id=t.school_id, active=True).where(s.id == t.student_id)
    renamed = (
        update(students)
        .values({name: staged[name] for name in STUDENTS.compared})
        .where(s.id == t.student_id, STUDENTS.same(import_students), STUDENTS.is_present(import_students))
    )
    left = select(t.student_id, t.old_school_id)
    return moved, renamed, insert(import_leavers).from_select(["student_id", "school_id"], left)


async def join_schools(connection: AsyncConnection) -> tuple[int, int]:
    """Adds the schools at which students are listed besides their home school: (added, active again)."""
    named, again, added = _join_schools()
    await connection.execute(named)
    changed = (await connection.execute(again)).rowcount
    count = (await connection.execute(added)).rowcount
    await connection.execute(_add_merged_records())
    return count, changed


@cache
def _join_schools() -> tuple[Update, Update, Insert]:
    e, o, s = import_elsewhere.c, student_schools.c, students.c
    same = and_(e.student_id == o.student_id, e.school_id == o.school_id)
    own_name = select(s.source_id).where(s.id == o.student_id).correlate(student_schools).scalar_subquery()
    is_own = exists().where(same, e.source_id == own_name)
    named = update(student_schools).where(is_own, o.source_id.is_distinct_from(own_name)).values(source_id=own_name)
    again = update(student_schools).values(active=True).where(not_(o.active), exists().where(same))
    # A merged record may be listed anew at the home school of the student.
    new = (
        select(e.student_id, e.school_id, literal(True), func.max(case((e.source_id == s.source_id, e.source_id))))
        .join(students, s.id == e.student_id)
        .where(not_(exists().where(same)), s.school_id != e.school_id)
        .group_by(e.student_id, e.school_id)
        .order_by(e.student_id)
    )
    return named, again, insert(student_schools).from_select(_MEMBERSHIP, new)


@cache
def _add_merged_records() -> Insert:
    """Lets each source id of a merged record name the student at the other schools where files list it, too."""
    e, n, staged = import_elsewhere.c, student_names.c, import_students.c
    is_named = exists().where(n.school_id == e.school_id, n.source_id == e.source_id, n.student_id == e.student_id)
    new = (
        select(e.student_id, literal(True), *(staged[name] for name in ("school_id", "source_id", *STUDENTS.compared)))
        .join(import_students, and_(staged.school_id == e.school_id, staged.source_id == e.source_id))
        .where(STUDENTS.is_present(import_students), not_(is_named))
    )
    columns = ["merged_into", "active", "school_id", "source_id", *STUDENTS.compared]
    return insert(students).from_select(columns, new)


async def end_missing_students(connection: AsyncConnection, *, absent: bool) -> int:
    """Deactivates students at schools where they are deleted; with `absent`, also where they are not in the file.

    A student of several merged records leaves a school if none of them is listed there.
    """
    await connection.execute(_end_merged_records(absent=absent))
    await _follow_merged_records(connection, absent=absent)
    for statement in _find_leavers(absent=absent):
        await connection.execute(statement)
    return sum([(await connection.execute(statement)).rowcount for statement in _end_leavers()])


@cache
def _end_merged_records(*, absent: bool) -> Update:
    missing = (*of_import(STUDENTS), is_missing(STUDENTS, absent=absent))
    return update(students).where(not_(is_student), students.c.active, *missing).values(active=False)


@cache
def _find_leavers(*, absent: bool) -> tuple[Insert, Insert]:
    s, o, names = students.c, student_schools.c, ["student_id", "school_id"]
    missing = (*of_import(STUDENTS), is_missing(STUDENTS, absent=absent))
    at_home = select(s.id, s.school_id).where(is_student, s.active, *missing, not_(_is_listed_as_merged(s.school_id)))
    at_others = (
        select(o.student_id, o.school_id)
        .join(students, s.id == o.student_id)
        .where(o.active, _is_named_at_other(), o.school_id.in_(select(import_schools.c.school_id)))
        .where(or_(o.source_id.is_(None), is_missing(STUDENTS, absent=absent, names=student_schools)))
        .where(not_(_is_listed_as_merged(o.school_id)))
    )
    return insert(import_leavers).from_select(names, at_home), insert(import_leavers).from_select(names, at_others)


@cache
def _end_leavers() -> list[Update]:
    left = import_leavers.c
    return [
        update(table)
        .values(active=False)
        .where(table.c.active, exists().where(left.student_id == student_id, left.school_id == table.c.school_id))
        for table, student_id in ((students, students.c.id), (student_schools, student_schools.c.student_id))
    ]


async def _follow_merged_records(connection: AsyncConnection, *, absent: bool) -> None:
    """Keeps students at schools where the files list a merged record instead of their own, with its names and grade."""
    for row in (await connection.execute(_find_merged_records(absent=absent))).mappings().all():
        values = with_search_text(students, {name: row[name] for name in ("source_id", *STUDENT_CELLS)})
        await connection.execute(update(students).where(students.c.id == row["id"]).values(**values, active=True))
    await connection.execute(_activate_merged_records())


@cache
def _find_merged_records(*, absent: bool) -> Select[*tuple[Any, ...]]:
    """Postgres evaluates the pairs first: there are few, and mostly none. It would otherwise join all students of the
    first import with each other, since a table that was filled in this transaction has no statistics.
    """
    s = students.c
    pairs = (
        select(s.id, s.source_id, s.school_id, s.active, *(_MERGED.c[name] for name in STUDENT_CELLS))
        .add_columns(_MERGED.c.id.label("merged_id"), _MERGED.c.school_id.label("merged_school_id"))
        .join(_MERGED, and_(_MERGED.c.merged_into == s.id, _MERGED.c.active))
        .where(_MERGED.c.merged_into.is_not(None), *of_import(STUDENTS))
        .cte("pairs")
        .prefix_with("MATERIALIZED")
    )
    p = pairs.c
    return (
        select(p.id, p.source_id, *(p[name] for name in STUDENT_CELLS))
        .where(p.school_id == p.merged_school_id)
        .where(or_(not_(p.active), is_missing(STUDENTS, absent=absent, names=pairs)))
        .order_by(p.merged_id)
    )


@cache
def _activate_merged_records() -> Update:
    o = student_schools.c
    listed = exists().where(_MERGED.c.merged_into == o.student_id, _MERGED.c.active, _MERGED.c.school_id == o.school_id)
    of_import_schools = o.school_id.in_(select(import_schools.c.school_id))
    return update(student_schools).where(not_(o.active), of_import_schools, listed).values(active=True)


def _is_named_at_other() -> ColumnElement[bool]:
    """Rows of `student_schools` whose students roster files can contain there, under a source id of this school."""
    o, merged = student_schools.c, _MERGED.c
    of_school = (merged.merged_into == o.student_id, merged.school_id == o.school_id)
    return or_(o.source_id.is_not(None), exists().where(*of_school, merged.source_id.is_not(None)))


def _stays_as_merged(*, absent: bool) -> ColumnElement[bool]:
    """Before the students of the file are applied: those of whom a merged record is at their home school, and stays."""
    s, staged = students.c, import_students
    of_student = (_MERGED.c.merged_into == s.id, _MERGED.c.school_id == s.school_id)
    same = (staged.c.school_id == _MERGED.c.school_id, staged.c.source_id == _MERGED.c.source_id)
    is_present = exists().where(*same, STUDENTS.is_present(staged))
    stays = and_(_MERGED.c.active, not_(is_missing(STUDENTS, absent=absent, names=_MERGED)))
    return exists().where(*of_student, or_(is_present, stays))


def _is_listed_as_merged(school_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Students of whom a merged record is active at a school."""
    merged = _MERGED.c
    return exists().where(merged.merged_into == students.c.id, merged.active, merged.school_id == school_id)


async def add_schools_of_enrolments(connection: AsyncConnection) -> None:
    """Makes students who are enrolled at other schools, now or formerly, students of these schools, too."""
    await connection.execute(_add_schools_of_enrolments())


@cache
def _add_schools_of_enrolments() -> Insert:
    staged, s, o = import_enrolments.c, students.c, student_schools.c
    known = exists().where(o.student_id == staged.student_id, o.school_id == classes.c.school_id)
    visiting = (
        select(staged.student_id, classes.c.school_id, literal(False), s.source_id)
        .distinct()
        .join(classes, classes.c.id == staged.class_id)
        .join(students, s.id == staged.student_id)
        .where(ENROLMENTS.is_present(import_enrolments), s.school_id != classes.c.school_id, not_(known))
    )
    return insert(student_schools).from_select(_MEMBERSHIP, visiting)


async def count_active_students(connection: AsyncConnection) -> int:
    """The number of active students with a source id, once for each of their schools in the import."""
    return sum([await connection.scalar(statement) or 0 for statement in _count_active_students()])


@cache
def _count_active_students() -> tuple[Select[int], Select[int]]:
    o = student_schools.c
    at_home = select(func.count()).select_from(students).where(is_student, students.c.active, *of_import(STUDENTS))
    at_others = (
        select(func.count())
        .select_from(student_schools)
        .where(o.active, _is_named_at_other(), o.school_id.in_(select(import_schools.c.school_id)))
    )
    return at_home, at_others
