"""Changes of tables on Postgres while other processes read and write, for migrations and partitions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.driver import driver_of
from adsum.platform.database.engine import Connection, Database, LockTimeout, StorageOutage
from adsum.platform.database.pools import STATEMENT_TIMEOUT_S
from adsum.platform.errors import ConfigurationError
from adsum.platform.telemetry import logger

# The advisory lock of one change of the schema. Others wait for it as long as for a statement.
SCHEMA_LOCK = 0x_AD5_0001
_POLL_S = 0.05
# A change of a table waits for the transactions that use it, and all later ones wait behind it. So it gives up soon and
# tries again between them, until the patience is over.
LOCK_TIMEOUT_MS = 500
LOCK_PAUSE_S = 1.0
LOCK_PATIENCE_S = 300.0
# Instead of the limit of other statements: a large table takes minutes.
_LONG_S = 24 * 3600.0

Result = TypeVar("Result")

log = logger(__name__)


async def between_others(
    database: Database, work: Callable[[Connection], Awaitable[Result]], patience: float | None = None
) -> Result:
    """Calls `work` in a transaction that waits for no lock for long, again and again until it gets its locks.

    Raises:
        LockTimeout: some transaction used a table each time, until `patience` in seconds, or `LOCK_PATIENCE_S`, was
            over.
    """
    deadline = time.monotonic() + (LOCK_PATIENCE_S if patience is None else patience)
    while True:
        try:
            async with database.migration() as transaction:
                await transaction.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
                return await work(transaction)
        except LockTimeout:
            if time.monotonic() > deadline:
                raise
            log.info("a table is in use, the change tries again")
        await asyncio.sleep(LOCK_PAUSE_S)


async def refuse_pooler(database: Database, command: str) -> None:
    """Raises ConfigurationError if a pooler is in front of Postgres: `command` holds a lock of the session for several
    transactions, and executes statements outside of one.
    """
    if database.is_postgres and await database.is_pooled():
        raise ConfigurationError(
            f"the database is behind a pooler, which hands out its connections by transaction: run `{command}` once "
            "with an ADSUM_DATABASE_URL that names Postgres itself"
        )


@asynccontextmanager
async def schema_locked(database: Database) -> AsyncGenerator[AsyncConnection]:
    """A connection without a transaction, which holds the lock of changes of the schema.

    It asks for the lock again and again: while a statement waits, Postgres creates no index concurrently.

    Raises:
        StorageOutage: another process migrates for longer than a statement may take.
    """
    lock, deadline = {"lock": SCHEMA_LOCK}, time.monotonic() + STATEMENT_TIMEOUT_S
    async with database.autocommit_read() as connection:
        while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), lock):
            if time.monotonic() > deadline:
                raise StorageOutage("another process is migrating the database")
            await asyncio.sleep(_POLL_S)
        try:
            yield connection
        finally:
            if not connection.invalidated:
                await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), lock)


async def allow_idle(connection: Connection) -> None:
    """Lets the transaction be idle for longer than others, because a file is read between two statements."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '10min'"))


async def execute_long(connection: Connection, statement: str) -> None:
    """Executes a statement that may take minutes in a large table."""
    driver = cast("Any", driver_of(connection))
    await driver.execute(statement, timeout=_LONG_S)


async def fetch_long(connection: Connection, query: str) -> Any:
    """The value of a query that may take minutes in a large table."""
    driver = cast("Any", driver_of(connection))
    return await driver.fetchval(query, timeout=_LONG_S)
