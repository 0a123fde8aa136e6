"""Statements on the records of a school year."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import Table, and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.audit.rules import Action
from adsum.accounts.audit.tables import audit_entries
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.database.partitioning import Partitioning
from adsum.platform.database.partitions import PartitionsAhead
from adsum.privacy.retention.repository.partitions import TABLES
from adsum.privacy.tables import student_merges
from adsum.privacy.years.rules import SchoolTotals, digested, totals_line
from adsum.roster.tables import classes, sessions, students
from adsum.schools.tables import schools

SchoolDays: TypeAlias = tuple[int, str, date | None]
"""The id, the time zone and the first day with records of a school. None: no record was deleted."""

NamedRows: TypeAlias = Sequence[Mapping[str, Any]]
"""Rows by the names of their columns."""

YearChanges: TypeAlias = tuple[int, int, int, str]
"""The number of changes of records, the sums of their records and versions, and a digest of disputed marks."""

NAMED = {"schools": schools, "classes": classes, "sessions": sessions, "students": students}
"""The tables of an archive with the names of what its records are about."""


def partitioning(database: Database, first_month: int) -> Partitioning:
    """Partitions these tables."""
    return Partitioning(database, attendances, attendance_changes, first_month)


def partitions_ahead(database: Database, now: Clock) -> PartitionsAhead:
    """Makes the partitions of these tables for coming years."""
    return PartitionsAhead(database, TABLES, now)


async def count_records(connection: AsyncConnection, school_id: int) -> Mapping[date, int]:
    """The number of records of a school on each day that has any. Of all schools at once it would take too long."""
    a = attendances.c
    counts = select(a.learning_date, func.count()).where(a.school_id == school_id).group_by(a.learning_date)
    return {row[0]: row[1] for row in await connection.execute(counts)}


async def first_day(connection: AsyncConnection, school_id: int) -> date | None:
    """The earliest day on which a school has a record."""
    a = attendances.c
    return await connection.scalar(select(func.min(a.learning_date)).where(a.school_id == school_id))


async def list_school_days(connection: AsyncConnection) -> Sequence[SchoolDays]:
    """All schools, by id."""
    c = schools.c
    rows = await connection.execute(select(c.id, c.time_zone, c.records_from).order_by(c.id))
    return [(row[0], row[1], row[2]) for row in rows]


async def sessions_of(connection: AsyncConnection, school_id: int) -> Sequence[int]:
    """The ids of all sessions of a school."""
    ids = select(sessions.c.id).join(classes, classes.c.id == sessions.c.class_id)
    return (await connection.scalars(ids.where(classes.c.school_id == school_id))).all()


async def was_dropped(connection: AsyncConnection, sha256: str) -> bool:
    """Whether the audit log has the drop of the archive whose manifest has this checksum."""
    c = audit_entries.c
    drops = await connection.scalars(select(c.after).where(c.action == Action.YEAR_DROPPED))
    return any(json.loads(after)["sha256"] == sha256 for after in drops)


async def totals_of(connection: AsyncConnection, school_id: int, first: date, end: date) -> SchoolTotals:
    """The extent of the records of a school on these days."""
    a, c = attendances.c, attendance_changes.c
    digest, records = hashlib.sha256(), 0
    for day in await days_of(connection, school_id, first, end):
        of_day = select(a.id, a.version).where(a.school_id == school_id, a.learning_date == day).order_by(a.id)
        versions = [tuple(row) for row in await connection.execute(of_day)]
        records += len(versions)
        digest.update(totals_line("attendances", versions))
    for disputed in await disputed_marks_of(connection, first, end, school_id):
        digest.update(totals_line("disputed_marks", digested("disputed_marks", disputed)))
    for double in await double_records_of(connection, school_id, first, end):
        digest.update(totals_line("double_records", digested("double_records", double)))
    of_days = (a.school_id == school_id, a.learning_date >= first, a.learning_date < end)
    changes = select(func.count()).select_from(attendances).join(attendance_changes, c.attendance_id == a.id)
    return SchoolTotals(records, await connection.scalar(changes.where(*of_days)) or 0, digest.hexdigest())


async def ids_of_days(connection: AsyncConnection, first: date, end: date) -> tuple[int, int] | None:
    """The first and the last id of the records of these days. None: there are none."""
    a = attendances.c
    ids = select(func.min(a.id), func.max(a.id)).where(a.learning_date >= first, a.learning_date < end)
    least, most = (await connection.execute(ids)).one()
    return None if least is None else (least, most)


async def changes_since(
    connection: AsyncConnection, first: date, end: date, ids: tuple[int, int] | None
) -> YearChanges:
    """A value that is different after each change of a record or of a disputed mark of these days.

    `ids`: of the days, so that the changes of other days are not read.
    """
    c = attendance_changes.c
    of_days = or_(and_(c.learning_date >= first, c.learning_date < end), c.learning_date.is_(None))
    sums = select(func.count(), func.sum(c.attendance_id), func.sum(c.version))
    found = await connection.execute(sums.where(c.attendance_id.between(*ids or (0, 0)), of_days))
    count, records, versions = found.one()
    disputed = await disputed_marks_of(connection, first, end)
    lines = [digested("disputed_marks", each) for each in disputed]
    digest = hashlib.sha256(totals_line("disputed_marks", lines))
    return count, int(records or 0), int(versions or 0), digest.hexdigest()


async def lock_records(connection: AsyncConnection) -> None:
    """Waits for transactions that have locked or changed a record, and lets no other one begin. All may read."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("LOCK TABLE attendances, attendance_changes, contradictions IN EXCLUSIVE MODE"))


async def days_of(connection: AsyncConnection, school_id: int, first: date, end: date) -> Sequence[date]:
    """The days on which a school has records."""
    a = attendances.c
    within = (a.school_id == school_id, a.learning_date >= first, a.learning_date < end)
    days = select(a.learning_date).where(*within).distinct().order_by(a.learning_date)
    return (await connection.scalars(days)).all()


async def records_of_day(connection: AsyncConnection, school_id: int, day: date) -> NamedRows:
    """The records of a school on a day, by id."""
    a = attendances.c
    statement = select(attendances).where(a.school_id == school_id, a.learning_date == day).order_by(a.id)
    return _named(attendances, (await connection.execute(statement)).all())


async def changes_of_day(connection: AsyncConnection, school_id: int, day: date) -> NamedRows:
    """The changes of the records of a school on a day, by record and version."""
    a, c = attendances.c, attendance_changes.c
    statement = (
        select(attendance_changes)
        .join(attendances, a.id == c.attendance_id)
        .where(a.school_id == school_id, a.learning_date == day)
        .order_by(c.attendance_id, c.version)
    )
    return _named(attendance_changes, (await connection.execute(statement)).all())


async def disputed_marks_of(
    connection: AsyncConnection, first: date, end: date, school_id: int | None = None
) -> NamedRows:
    """The disputed marks of these days, by id. `school_id` None: of all schools. They are few."""
    c = contradictions.c
    within = and_(c.learning_date >= first, c.learning_date < end)
    of_school = within if school_id is None else and_(within, c.school_id == school_id)
    statement = select(contradictions).where(of_school).order_by(c.id)
    return _named(contradictions, (await connection.execute(statement)).all())


async def double_records_of(connection: AsyncConnection, school_id: int, first: date, end: date) -> NamedRows:
    """The double records of these days in classes of a school, with their history, by merge of two students."""
    m = student_merges.c
    class_ids = set(await connection.scalars(select(classes.c.id).where(classes.c.school_id == school_id)))
    merges = await connection.execute(select(m.id, m.student_id, m.removed_id, m.merged_at, m.resolved).order_by(m.id))
    return [
        {"merge_id": merge_id, "school_id": school_id, "student_id": student_id, "removed_id": removed_id}
        | {"merged_at": merged_at, **double}
        for merge_id, student_id, removed_id, merged_at, resolved in merges
        for double in resolved
        if double["class_id"] in class_ids and first.isoformat() <= double["learning_date"] < end.isoformat()
    ]


async def rows_with_names(connection: AsyncConnection, name: str, ids: Sequence[int]) -> NamedRows:
    """The rows of a table of `NAMED` with these ids, by id."""
    table = NAMED[name]
    rows = await connection.execute(select(table).where(table.c.id.in_(ids)).order_by(table.c.id))
    return _named(table, rows.all())


def _named(table: Table, rows: Sequence[Sequence[Any]]) -> NamedRows:
    names = [column.name for column in table.c]
    return [dict(zip(names, row, strict=True)) for row in rows]
