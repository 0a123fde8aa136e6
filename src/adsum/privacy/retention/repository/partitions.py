"""Statements on the days of records as a whole: what prevents that they go, and dropping their partition."""

from __future__ import annotations

from datetime import date

from sqlalchemy import ColumnElement, Table, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.tables import batch_runs
from adsum.platform.database import partitions
from adsum.platform.database.partitions import Partition
from adsum.privacy.holds.repository import held_students

TABLES = (attendances, attendance_changes)
"""The tables that are partitioned by school year."""


async def partitions_of_records(connection: AsyncConnection) -> list[Partition]:
    """The partitions of the records by their days. Empty: the records are one table."""
    return await partitions.partitions_of(connection, attendances)


async def owns_partitions(connection: AsyncConnection) -> bool:
    """Whether the user of a Postgres connection may drop partitions of the records and their changes."""
    return await partitions.owns(connection, TABLES)


async def count_records_on_hold(connection: AsyncConnection, first: date | None, end: date) -> int:
    """The records of these days of students on hold. `first` None: from the beginning."""
    a = attendances.c
    held = select(func.count()).select_from(attendances).where(_within(attendances, first, end))
    return await connection.scalar(held.where(a.student_id.in_(held_students()))) or 0


async def count_open_runs(connection: AsyncConnection, end: date) -> int:
    """The runs of days before `end` that have not ended."""
    c = batch_runs.c
    return await connection.scalar(select(func.count()).where(c.state == "open", c.learning_date < end)) or 0


async def count_of_school(connection: AsyncConnection, school_id: int, first: date | None, end: date) -> int:
    """The number of records of a school on these days."""
    within = (attendances.c.school_id == school_id, _within(attendances, first, end))
    return await connection.scalar(select(func.count()).select_from(attendances).where(*within)) or 0


async def drop_record_partitions(connection: AsyncConnection, partition: Partition) -> None:
    """Drops a partition of the records, and that of their changes. `docs/locks.md` says when it may wait."""
    await partitions.fill_missing_days(connection, *TABLES)
    for table in reversed(TABLES):
        for each in await partitions.partitions_of(connection, table):
            if (each.first, each.end) == (partition.first, partition.end):
                await partitions.drop_partition(connection, each)


def _within(table: Table, first: date | None, end: date) -> ColumnElement[bool]:
    day = table.c.learning_date
    return day < end if first is None else and_(day >= first, day < end)
