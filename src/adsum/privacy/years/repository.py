"""Statements on the records of a school year."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.tables import attendance_changes, attendances
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.database.partitioning import Partitioning
from adsum.platform.database.partitions import Partition, PartitionsAhead, partitions_of

TABLES = (attendances, attendance_changes)
"""The tables that are partitioned by school year."""


def partitioning(database: Database, first_month: int) -> Partitioning:
    """Partitions these tables."""
    return Partitioning(database, attendances, attendance_changes, first_month)


def partitions_ahead(database: Database, now: Clock) -> PartitionsAhead:
    """Makes the partitions of these tables for coming years."""
    return PartitionsAhead(database, TABLES, now)


async def partitions_of_records(connection: AsyncConnection) -> list[Partition]:
    """The partitions of the records by their days. Empty: the records are one table."""
    return await partitions_of(connection, attendances)


async def count_records(connection: AsyncConnection) -> Mapping[date, int]:
    """The number of records of each day that has any, of all schools."""
    day = attendances.c.learning_date
    return {row[0]: row[1] for row in await connection.execute(select(day, func.count()).group_by(day))}
