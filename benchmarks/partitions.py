"""`python -m benchmarks.partitions`: partitions two million records while classes are marked and corrected."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select

from adsum.attendance.repository import apply_changes
from adsum.attendance.rules import RecordChange
from adsum.attendance.tables import attendances
from adsum.platform.database import schema
from adsum.platform.database.engine import Database, open_database
from adsum.platform.ids import Batch
from adsum.privacy.years.repository import partitioning
from benchmarks.machine import machine
from benchmarks.servers import started_servers
from benchmarks.year.school import Year, make_year
from tests.support.schools import make_records, make_session, make_student

CORRECTED = 50_000
# Seconds of writes beside which nothing runs, to compare with.
UNDISTURBED_S = 5
TODAY = date(2025, 9, 1)
FIRST_DAY = TODAY - timedelta(days=3_000)


def main() -> int:
    """Measures once."""
    with started_servers() as servers:
        servers.postgres.run("CREATE DATABASE partitions")
        asyncio.run(_measure(servers.postgres.url("partitions")))
    print(f"\n{machine()}")
    return 0


async def _measure(url: str) -> None:
    database = open_database(url)
    try:
        await schema.migrate(database)
        year = await make_year(database)
        await _correct_some(database)
        async with _writers(database, year) as waits:
            await asyncio.sleep(UNDISTURBED_S)
            before, began = len(waits), time.monotonic()
            await partitioning(database, 8).partition(TODAY)
            took, during = time.monotonic() - began, waits[before:]
        print(f"partitioned in {took:.1f} s")
        print(f"longest write before: {max(waits[:before]) * 1000:.0f} ms of {before:,}")
        print(f"longest write meanwhile: {max(during) * 1000:.0f} ms of {len(during):,}")
    finally:
        await database.close()


async def _correct_some(database: Database) -> None:
    """Gives many records a history, as a release before 0066 wrote it."""
    async with database.transaction() as connection:
        ids = list(await connection.scalars(select(attendances.c.id).limit(CORRECTED)))
        await apply_changes(connection, {each: _change(2) for each in ids})
        await connection.exec_driver_sql("UPDATE attendance_changes SET learning_date = NULL")


def _change(version: int) -> RecordChange:
    return RecordChange(version, "present", None, "late", None, datetime.now(UTC), "office", None, None, None, None)


@asynccontextmanager
async def _writers(database: Database, year: Year) -> AsyncGenerator[list[float]]:
    """Marks classes and corrects records without a pause. Yields how long each transaction took, in seconds."""
    async with database.transaction() as connection:
        session = await make_session(connection, year.class_id, period="new")
        students = [await make_student(connection, year.school_id) for _ in range(30)]
        some = list(await connection.scalars(select(attendances.c.id).order_by(attendances.c.id.desc()).limit(1)))
    waits, stop, days, versions = list[float](), asyncio.Event(), itertools.count(), itertools.count(2)

    async def mark() -> None:
        async with database.transaction() as connection:
            batch = Batch(year.class_id, session, FIRST_DAY + timedelta(days=next(days) % 3_000))
            await make_records(connection, year.school_id, [batch], students)

    async def correct() -> None:
        async with database.transaction() as connection:
            await apply_changes(connection, {some[0]: _change(next(versions))})

    async def repeat(write: Callable[[], Awaitable[None]]) -> None:
        while not stop.is_set():
            began = time.monotonic()
            await write()
            waits.append(time.monotonic() - began)

    async with asyncio.TaskGroup() as group:
        for write in (mark, correct):
            group.create_task(repeat(write))
        yield waits
        stop.set()


if __name__ == "__main__":
    raise SystemExit(main())
