"""Steps of tests of partitions: records of several years, and where they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select, text

from adsum.attendance.repository import apply_changes
from adsum.attendance.rules import RecordChange
from adsum.attendance.tables import attendances
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.partitions import partitions_of
from adsum.platform.database.revision import schema_compatibility
from adsum.platform.ids import Batch
from adsum.privacy.years.repository import partitioning
from tests.support.schools import SchoolIds, make_record

TODAY = date(2026, 11, 30)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NEXT_YEAR = NOW + timedelta(days=366)


@dataclass
class Clock:
    """A time that tests change."""

    now: datetime = NOW


async def partition(database: Database) -> bool:
    return await partitioning(database, first_month=8).partition(TODAY)


async def names(database: Database) -> list[str]:
    async with database.snapshot() as connection:
        return [each.name for each in await partitions_of(connection, attendances)]


async def add_records(database: Database, school: SchoolIds, *days: date) -> list[int]:
    async with database.transaction() as connection:
        batches = [Batch(school.class_id, school.session_id, day) for day in days]
        return [await make_record(connection, school.school_id, each, school.student_ids[0]) for each in batches]


async def as_owner(database: Database, *statements: str) -> None:
    async with database.transaction() as connection:
        for statement in statements:
            await connection.exec_driver_sql(statement)


async def correct(database: Database, record_id: int, version: int = 2) -> None:
    change = RecordChange(version, "present", None, "absent", None, NOW, "office", None, None, None, None)
    async with database.transaction() as connection:
        await apply_changes(connection, {record_id: change})


async def tables_of_days(connection: Connection, table: str) -> dict[date, str]:
    """The partition in which the rows of each day are."""
    found = await connection.execute(text(f"SELECT DISTINCT learning_date, tableoid::regclass::text FROM {table}"))
    return {row[0]: row[1] for row in found}


async def compatible_from(database: Database) -> str | None:
    async with database.snapshot() as connection:
        return await connection.scalar(select(schema_compatibility.c.compatible_from))
