"""Opening SQLite or Postgres, and transactions on them.

Every statement module is given a `Connection` of an open transaction; nothing else opens one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has types of its own, but no marker of them
from sqlalchemy import event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from adsum.platform.database.driver import execute_raw, replace_ended, rolled_back
from adsum.platform.errors import ConfigurationError, Unavailable

Connection = AsyncConnection
"""An open transaction, as services hand it from one statement to the next."""

BUSY_TIMEOUT_MS = 5000
POOL_SIZE = 10
# Statements are timed so that a frozen server becomes an outage, not a request that hangs.
STATEMENT_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
# A plan is made for tables as large as they are then: of a new school year they are empty, an hour later they are not,
# and until Postgres has looked at them (autovacuum, after a minute or two) nothing else makes it plan anew.
PLAN_LIFETIME_S = 20
# A process that froze in the middle of a transaction keeps its rows locked: Postgres ends it, so that others go on.
LONGEST_PAUSE_IN_TRANSACTION_S = 10

# Classes of SQLSTATE that say "this row is wrong". Every other one says that the server could not, for anybody: no such
# table yet, no privilege, a read-only replica, a full disk. To take these for wrong rows would fail every student.
_WRONG_ROW_CLASSES = ("21", "22", "23", "27", "44", "54", "P0")


# What the driver and the pool raise, where it is no answer of the server's.
_OUTAGES = (OSError, TimeoutError, PoolTimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class StorageOutage(Unavailable):
    """The database did not do it: no connection, timeout, deadlock, disk full. To be retried, never a failed job."""

    code = "database_unavailable"


class RejectedRows(Exception):
    """The database refused the data itself: some row of the statement is wrong."""


class Database:
    """One engine. `transaction()` writes, and `autocommit_write()` writes with one statement. `snapshot()` reads one
    state of the database, and `autocommit_read()` whatever is committed when each statement runs.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_postgres = engine.dialect.name == "postgresql"
        # SQLite has one writer at a time. Within a process the turn is taken here, in order, at once; SQLite's own
        # waiting polls with growing pauses and is left for other processes.
        self._writer = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that commits at the end of the block, and rolls back on any error.

        Raises:
            StorageOutage: the server did not answer, or could not. Whether a COMMIT came through is then unknown.
            RejectedRows: the server refused the data.
        """
        if self.is_postgres:
            async with self._begun("BEGIN", "COMMIT") as connection:
                yield connection
            return
        async with _translated(), self._turn(), self._begun("BEGIN IMMEDIATE", "COMMIT") as connection:
            yield connection

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Waits no longer for writers of this process than SQLite does for those of others."""
        async with asyncio.timeout(BUSY_TIMEOUT_MS / 1000):
            await self._writer.acquire()
        try:
            yield
        finally:
            self._writer.release()

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that reads one state of the database."""
        begin = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" if self.is_postgres else "BEGIN"
        async with self._begun(begin, "ROLLBACK") as connection:
            yield connection

    @asynccontextmanager
    async def _begun(self, begin: str, end: str) -> AsyncGenerator[AsyncConnection]:
        async with _translated(), self.engine.connect() as connection:
            try:
                await execute_raw(connection, begin)
                yield connection
                _insist_on(end, await execute_raw(connection, end))
            except BaseException:
                await rolled_back(connection)
                raise

    @asynccontextmanager
    async def autocommit_write(self) -> AsyncGenerator[AsyncConnection]:
        """For one statement that writes, and is a transaction by itself: on Postgres without the round trips around it.

        Raises:
            As `transaction`.
        """
        async with self.autocommit_read() if self.is_postgres else self.transaction() as connection:
            yield connection

    @asynccontextmanager
    async def autocommit_read(self) -> AsyncGenerator[AsyncConnection]:
        """For one statement that only reads: without the two round trips that begin and end a transaction. Or for
        several, where it does no harm that each sees what was committed before it: see `turns`.
        """
        async with _translated(), self.engine.connect() as connection:
            yield connection

    @property
    def file(self) -> Path | None:
        """SQLite's file; None: a server."""
        name = self.engine.url.database
        return None if self.is_postgres or name is None else Path(name)

    @property
    def is_missing(self) -> bool:
        """Whether there is no file yet. To ask SQLite would make it. What this user may not see is not missing."""
        try:
            return self.file is not None and not self.file.exists()
        except PermissionError:
            return False

    async def close(self) -> None:
        await self.engine.dispose()


def open_database(url: str) -> Database:
    """Opens `sqlite:///path`, `postgresql://…`, or the same with an async driver named.

    Raises:
        ConfigurationError: the URL cannot be read, or names another kind of database.
    """
    parsed = async_url(url)
    # AUTOCOMMIT, and None: transactions are begun here, in so many words, not guessed by SQLAlchemy or the driver.
    if parsed.get_backend_name() == "postgresql":
        engine = create_async_engine(
            parsed,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            isolation_level="AUTOCOMMIT",
            pool_use_lifo=True,  # the connection that was used last has its statements prepared
            connect_args={
                "timeout": CONNECT_TIMEOUT_S,
                "command_timeout": STATEMENT_TIMEOUT_S,
                "max_cached_statement_lifetime": PLAN_LIFETIME_S,
                "server_settings": {
                    "application_name": "adsum",
                    "idle_in_transaction_session_timeout": f"{LONGEST_PAUSE_IN_TRANSACTION_S}s",
                },
            },
        )
        event.listen(engine.sync_engine, "checkout", replace_ended)
        return Database(engine)
    engine = create_async_engine(
        parsed,
        pool_size=POOL_SIZE,
        max_overflow=0,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return Database(engine)


def async_url(url: str) -> URL:
    """The URL with the driver that Adsum uses."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("ADSUM_DATABASE_URL: this is no database URL") from None
    match parsed.get_backend_name():
        case "postgresql" | "postgres":
            return _for_asyncpg(parsed)
        case "sqlite" if parsed.database:
            return parsed.set(drivername="sqlite+aiosqlite")
        case other:
            raise ConfigurationError(f"ADSUM_DATABASE_URL: {other} is neither postgresql nor sqlite with a file")


def _for_asyncpg(url: URL) -> URL:
    """Postgres' own URLs say `sslmode`, which asyncpg calls `ssl`."""
    query = {("ssl" if name == "sslmode" else name): value for name, value in url.query.items()}
    unknown = sorted(query.keys() - {"host", "port", "ssl", "prepared_statement_cache_size"})
    if unknown:
        raise ConfigurationError(f"ADSUM_DATABASE_URL: unknown in its query: {', '.join(unknown)}")
    return url.set(drivername="postgresql+asyncpg", query=query)


def _insist_on(asked: str, answered: str) -> None:
    """Postgres answers COMMIT with ROLLBACK where a statement has failed and somebody has kept quiet about it."""
    if answered != asked:
        raise StorageOutage("the transaction was rolled back")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")  # a 202 survives a power cut
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.close()
    except BaseException:
        connection.close()  # SQLAlchemy would leave it, and its thread, behind
        raise


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError) as error:
        if is_outage(error):
            raise StorageOutage("the database does not answer") from error
        raise RejectedRows(_name(error)) from error
    except _OUTAGES as error:
        raise StorageOutage("the database does not answer") from error


def is_outage(error: DBAPIError | asyncpg.PostgresError) -> bool:
    """Whether the server could not, rather than would not."""
    said = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)
    if isinstance(state, str):
        return not state.startswith(_WRONG_ROW_CLASSES)
    return not isinstance(error, DataError | IntegrityError)


def _name(error: DBAPIError | asyncpg.PostgresError) -> str:
    """What kind of error it was; never its text, which may quote a row."""
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__
