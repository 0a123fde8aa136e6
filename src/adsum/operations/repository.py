"""Statements of probes, metrics, pruning and the doctor."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.rules import Tally
from adsum.batches.tables import batch_runs, job_failures
from adsum.platform.database.answers import idempotency_keys
from adsum.platform.database.engine import Database
from adsum.platform.database.partitioning import left_checks
from adsum.platform.ids import Batch

_POSTGRES_FACTS = "SELECT CAST(current_setting('server_version_num') AS int), clock_timestamp(), pg_is_in_recovery()"
_POOL_FACTS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A database server, or the SQLite library, which has no clock of its own."""

    name: str
    version: tuple[int, ...]
    clock: datetime | None
    is_replica: bool


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """The connections that Postgres gives to all its clients, and those that are open now."""

    usable: int
    open_now: int


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended, with its final counts. `duration` is the time since its acceptance."""

    run_id: str
    tally: Tally
    duration: timedelta


async def database_facts(database: Database) -> DatabaseFacts:
    """Raises StorageOutage if the database does not respond."""
    async with database.snapshot() as connection:
        if database.is_postgres:
            number, clock, is_replica = (await connection.execute(text(_POSTGRES_FACTS))).one()
            return DatabaseFacts("PostgreSQL", (number // 10_000, number % 10_000), clock, is_replica)
        version = str((await connection.execute(text("SELECT sqlite_version()"))).scalar_one())
        return DatabaseFacts("SQLite", tuple(map(int, version.split("."))), None, is_replica=False)


async def has_left_checks(database: Database) -> bool:
    """Whether a conversion to partitions runs, or was killed and has left checks that refuse later days."""
    async with database.snapshot() as connection:
        return bool(await left_checks(connection, (attendances, attendance_changes)))


async def pool_facts(database: Database) -> PoolFacts:
    """The connections of Postgres. Raises StorageOutage if it does not respond."""
    async with database.snapshot() as connection:
        usable, open_now = (await connection.execute(text(_POOL_FACTS))).one()
    return PoolFacts(usable, open_now)


async def ensure_writable(database: Database) -> None:
    """Begins and ends a write transaction. Raises StorageOutage if the database is read-only or locked for long."""
    async with database.transaction():
        pass


async def open_runs(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """The number of open runs, and the acceptance of the oldest. Reads only the index of open runs."""
    query = select(func.count(), func.min(batch_runs.c.accepted_at)).where(batch_runs.c.state == "open")
    count, oldest = (await connection.execute(query)).one()
    return int(count), oldest


async def runs_ended_since(connection: AsyncConnection, moment: datetime) -> list[EndedRun]:
    """Runs that ended at or after the moment. Reads the index of ended runs."""
    c = batch_runs.c
    query = select(
        *(c.run_id, c.accepted_at, c.ended_at),
        *(c.recorded_jobs, c.skipped_jobs, c.failed_jobs, c.cancelled_jobs),
    ).where(c.ended_at >= moment, c.pruned_at.is_(None))
    return [
        EndedRun(run_id, Tally(*tally), ended_at - accepted_at)
        for run_id, accepted_at, ended_at, *tally in await connection.execute(query)
    ]


async def known_batches(connection: AsyncConnection, batches: Collection[Batch]) -> set[Batch]:
    """The batches among these that have at least one run."""
    c = batch_runs.c
    keys = [(batch.session_id, batch.learning_date) for batch in batches]
    query = select(c.class_id, c.session_id, c.learning_date).where(tuple_(c.session_id, c.learning_date).in_(keys))
    return {Batch(*row) for row in await connection.execute(query.distinct())}


async def prune_runs(connection: AsyncConnection, ended_before: datetime, now: datetime, limit: int) -> int:
    """Empties the plans of at most `limit` runs, the oldest first, and deletes their failures. Keeps the counts.

    On Postgres, skips runs that another transaction has locked.

    Returns:
        The number of pruned runs.
    """
    c = batch_runs.c
    due = (
        select(c.run_id)
        .where(c.ended_at < ended_before, c.pruned_at.is_(None))
        .order_by(c.ended_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    run_ids = list(await connection.scalars(due))
    if run_ids:
        await connection.execute(delete(job_failures).where(job_failures.c.run_id.in_(run_ids)))
        emptied = update(batch_runs).where(c.run_id.in_(run_ids)).values(plan=[], kept=[], pruned_at=now)
        await connection.execute(emptied)
    return len(run_ids)


async def prune_answers(connection: AsyncConnection, created_before: datetime, limit: int) -> int:
    """Deletes at most `limit` stored responses, the oldest first. Their idempotency keys can be used again.

    Returns:
        The number of deleted responses.
    """
    c = idempotency_keys.c
    due = (
        select(c.actor, c.key)
        .where(c.created_at < created_before)
        .order_by(c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = [tuple(row) for row in await connection.execute(due)]
    if keys:
        await connection.execute(delete(idempotency_keys).where(tuple_(c.actor, c.key).in_(keys)))
    return len(keys)
