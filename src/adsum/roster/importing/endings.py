"""Ending what of the roster is no longer there: inactive, or with an end date. Nothing is ever deleted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Table, and_, case, exists, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import users
from adsum.roster.importing.repository import ENROLMENTS, SLICE, TEACHERS, Kind
from adsum.roster.importing.staging import Staged, import_schools
from adsum.roster.tables import classes, students


async def end_missing(connection: AsyncConnection, kind: Kind, *, absent: bool) -> int:
    """Makes inactive the students or classes that are gone. `absent`: also those of whom the file says nothing."""
    statement = update(kind.table).where(kind.table.c.active, *_of_import(kind), _missing(kind, absent=absent))
    return (await connection.execute(statement.values(active=False))).rowcount


async def end_missing_enrolments(
    connection: AsyncConnection, kind: Kind, *, absent: bool, teachers_absent: bool
) -> int:
    """Ends, on the day that it is at their school, the enrolments that are gone, or whose class or person is.

    Args:
        connection: of an open transaction.
        kind: ENROLMENTS or TEACHINGS.
        absent: whether those end of which the file says nothing.
        teachers_absent: whether teachers of whom the file says nothing are gone.
    """
    table = kind.table
    if kind is ENROLMENTS:
        without_person = table.c.student_id.in_(select(students.c.id).where(not_(students.c.active)))
    else:
        gone = select(users.c.id).where(*_of_import(TEACHERS), _missing(TEACHERS, absent=teachers_absent))
        without_person = table.c.user_id.in_(gone)
    ending = (
        select(table.c.id)
        .join(classes, classes.c.id == table.c.class_id)
        .join(import_schools, import_schools.c.school_id == classes.c.school_id)
        .where(table.c.source_id.is_not(None), is_open(table, import_schools.c.today))
        .where(or_(not_(classes.c.active), without_person, _missing(kind, absent=absent)))
        .limit(SLICE)
    )
    today = _today_of_class(table)
    last_day = case((table.c.begin_date > today, table.c.begin_date), else_=today)
    statement = update(table).where(table.c.id.in_(ending)).values(end_date=last_day)
    ended = 0
    while (count := (await connection.execute(statement)).rowcount) > 0:
        ended += count
    return ended


async def count_open(connection: AsyncConnection, kind: Kind) -> int:
    """How many active students or classes, or open enrolments, the schools of the import have from roster files."""
    table = kind.table
    counted = select(func.count()).select_from(table).where(table.c.source_id.is_not(None))
    if "active" in table.c:
        counted = counted.join(import_schools, import_schools.c.school_id == table.c.school_id).where(table.c.active)
    else:
        counted = (
            counted.join(classes, classes.c.id == table.c.class_id)
            .join(import_schools, import_schools.c.school_id == classes.c.school_id)
            .where(is_open(table, import_schools.c.today))
        )
    return await connection.scalar(counted) or 0


def is_open(table: Table, today: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the enrolment still has a day to come, today included."""
    begin, end = table.c.begin_date, table.c.end_date
    return or_(end.is_(None), and_(end > today, or_(begin.is_(None), begin < end)))


def _of_import(kind: Kind) -> tuple[ColumnElement[bool], ...]:
    """What came from roster files, in the schools of the import. Nothing else is ever ended."""
    owned = kind.table.c.school_id.in_(select(import_schools.c.school_id))
    return kind.table.c.source_id.is_not(None), owned


def _missing(kind: Kind, *, absent: bool) -> ColumnElement[bool]:
    staged, table = kind.staged, kind.table
    present = exists().where(kind.is_present(staged), kind.same(staged))
    kept = exists().where(staged.c.state == Staged.KEPT.value, staged.c.source_id == table.c.source_id)
    if absent:
        return and_(not_(present), not_(kept))
    gone = exists().where(
        staged.c.state == Staged.GONE.value,
        staged.c.source_id == table.c.source_id,
        or_(staged.c[kind.owner].is_(None), staged.c[kind.owner] == table.c[kind.owner]),
    )
    if kind.owner != "school_id":
        return and_(gone, not_(present), not_(kept))
    of_gone_school = table.c.school_id.in_(select(import_schools.c.school_id).where(import_schools.c.gone))
    return and_(or_(gone, of_gone_school), not_(present), not_(kept))


def _today_of_class(table: Table) -> ScalarSelect[Any]:
    return (
        select(import_schools.c.today)
        .join(classes, classes.c.school_id == import_schools.c.school_id)
        .where(classes.c.id == table.c.class_id)
        .scalar_subquery()
    )
