"""What `adsum doctor` asks the database."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch

_POSTGRES_FACTS = "SELECT CAST(current_setting('server_version_num') AS int), clock_timestamp(), pg_is_in_recovery()"


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """A server, or SQLite's library. `clock` None: it has none but this machine's."""

    name: str
    version: tuple[int, ...]
    clock: datetime | None
    is_replica: bool


async def database_facts(database: Database) -> DatabaseFacts:
    """Raises StorageOutage: it does not answer."""
    async with database.snapshot() as connection:
        if database.is_postgres:
            number, clock, is_replica = (await connection.execute(text(_POSTGRES_FACTS))).one()
            return DatabaseFacts("PostgreSQL", (number // 10_000, number % 10_000), clock, is_replica)
        version = str((await connection.execute(text("SELECT sqlite_version()"))).scalar_one())
        return DatabaseFacts("SQLite", tuple(map(int, version.split("."))), None, is_replica=False)


async def ensure_writable(database: Database) -> None:
    """Begins to write and ends without having written. Raises StorageOutage: it cannot, or another one takes long."""
    async with database.transaction():
        pass


async def known_batches(connection: AsyncConnection, batches: Collection[Batch]) -> set[Batch]:
    """Those that were ever marked, as this database knows."""
    c = batch_runs.c
    places = [(batch.session_id, batch.learning_date) for batch in batches]
    found = select(c.class_id, c.session_id, c.learning_date).where(tuple_(c.session_id, c.learning_date).in_(places))
    return {Batch(*row) for row in await connection.execute(found.distinct())}
