"""Opens SQLite or Postgres, and runs transactions on them.

Repositories receive a `Connection` with an open transaction. Only services open one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has types of its own, but no marker of them
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.addresses import Host
from adsum.platform.database.admission import Admission
from adsum.platform.database.connector import begin_behind_pooler
from adsum.platform.database.driver import (
    DriverError,
    committing,
    ends_left,
    execute_raw,
    is_locked,
    is_pooled,
    name_of,
    roll_back,
    sqlstate_of,
)
from adsum.platform.database.pools import BUSY_TIMEOUT_MS, CONNECTIONS, EnginePool, postgres_pool, sqlite_pool
from adsum.platform.database.sqlite.files import open_file
from adsum.platform.database.urls import DatabaseUrl, parse_database_url, parse_read_url
from adsum.platform.errors import ConfigurationError, Unavailable

Connection = AsyncConnection
"""A connection with an open transaction."""

# Of migrations on SQLite, which wait for those of other processes. Each of them may take long in a large file, and the
# next one begins at once: SQLite, which polls, may find the file free only after the last one.
MIGRATION_TIMEOUT_MS = 120_000
# Other processes cannot write while the log is truncated, so it does not wait long for readers.
_TRUNCATION_TIMEOUT_MS = 500

# Classes of SQLSTATE for invalid data. All others mean that the server cannot execute the statement for any data: a
# missing table, a missing privilege, a read-only replica, a full disk. As invalid data they would fail every student.
_WRONG_ROW_CLASSES = ("21", "22", "23", "27", "44", "54", "P0")

# Errors of the driver and the pool that are no reply of the server.
_OUTAGES = (OSError, TimeoutError, PoolTimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class StorageOutage(Unavailable):
    """The database cannot execute statements: no connection, timeout, deadlock, full disk. Callers retry."""

    code = "database_unavailable"


class Deadlocked(StorageOutage):
    """Postgres ended the transaction, because it and others waited for each other. Nothing was changed."""


class LockTimeout(StorageOutage):
    """Postgres did not grant a lock within `lock_timeout`. Nothing was changed."""


class RejectedRows(Exception):
    """The database rejected the data of the statement: at least one row is invalid."""


class RowExists(RejectedRows):
    """Another transaction has added a row with the same unique values (Postgres)."""


class Database:
    """One database. `transaction()` and `autocommit_write()` write; `snapshot()` reads one state of the database;
    `autocommit_read()` reads the committed state at the time of each statement.
    """

    def __init__(self, pool: EnginePool, hosts: Sequence[Host] = ()) -> None:
        engine = self.engine = pool.engine
        self.admission = Admission(engine, pool.keeps)
        self.max_connections = pool.connections
        # Host and port of each server of Postgres that may be the primary, if there are several.
        self.hosts = tuple(hosts)
        self.is_postgres = engine.dialect.name == "postgresql"
        # The name of the system is a term of OpenTelemetry.
        self.span_attributes = {"db.system.name": engine.dialect.name}
        # SQLite has one writer at a time. Writers of this process queue here, in order and without delay. SQLite itself
        # polls with growing pauses, which remains for writers of other processes.
        self._writer = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that commits at the end of the block and rolls back on an error.

        Raises:
            StorageOutage: the server did not execute a statement. It is unknown whether a COMMIT succeeded.
            RejectedRows: the server rejected the data.
        """
        if self.is_postgres:
            async with self._within_transaction("BEGIN", "COMMIT") as connection:
                yield connection
            return
        async with _translated(), self._writing(), self._within_transaction("BEGIN IMMEDIATE", "COMMIT") as connection:
            yield connection

    @asynccontextmanager
    async def migration(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that may make tables again. SQLite checks foreign keys at its end instead of at each statement,
        which would delete the rows that reference a dropped table, or refuse to drop it.

        Raises:
            StorageOutage, RejectedRows: see `transaction`.
        """
        if self.is_postgres:
            async with self.transaction() as connection:
                yield connection
            return
        async with _translated(), self._writing(), self.admission.connection() as connection:
            await execute_raw(connection, "PRAGMA foreign_keys = OFF")
            await execute_raw(connection, f"PRAGMA busy_timeout = {MIGRATION_TIMEOUT_MS}")
            try:
                async with _ended(connection, "BEGIN IMMEDIATE", "COMMIT"):
                    yield connection
                    if (await connection.exec_driver_sql("PRAGMA foreign_key_check")).first() is not None:
                        raise RejectedRows("a foreign key references no row")
            finally:
                # After a BEGIN that failed the connection is closed, and a statement would hide why.
                if not connection.invalidated:
                    await execute_raw(connection, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
                    await execute_raw(connection, "PRAGMA foreign_keys = ON")

    async def truncate_log(self) -> bool:
        """Removes what was deleted or replaced from SQLite's write-ahead log, which keeps it until later writes reach
        its place. False: a reader or another writer prevents it now. Postgres recycles its log itself.
        """
        if self.is_postgres:
            return True
        async with _translated(), self._writing(), self.admission.connection() as connection:
            await execute_raw(connection, f"PRAGMA busy_timeout = {_TRUNCATION_TIMEOUT_MS}")
            try:
                return (await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).one()[0] == 0
            finally:
                await execute_raw(connection, f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    async def rewrite(self) -> None:
        """Rewrites SQLite's file without free pages. It needs free space for a copy of the database. On Postgres this
        does nothing.
        """
        if not self.is_postgres:
            async with _translated(), self._writing(), self.admission.connection() as connection:
                await execute_raw(connection, "VACUUM")
            await self.truncate_log()

    @asynccontextmanager
    async def _writing(self) -> AsyncGenerator[None]:
        """Waits for other writers of this process at most as long as SQLite waits for those of other processes."""
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
        async with self._within_transaction(begin, "ROLLBACK") as connection:
            yield connection

    @asynccontextmanager
    async def _within_transaction(self, begin: str, end: str) -> AsyncGenerator[AsyncConnection]:
        async with _translated(), self.admission.connection() as connection, _ended(connection, begin, end):
            yield connection

    @asynccontextmanager
    async def autocommit_write(self) -> AsyncGenerator[AsyncConnection]:
        """For a single statement that writes. On Postgres it saves the round trips of BEGIN and COMMIT.

        Raises:
            StorageOutage, RejectedRows: see `transaction`.
        """
        if not self.is_postgres:
            async with self.transaction() as connection:
                yield connection
            return
        async with self.autocommit_read() as connection:
            with committing(connection):
                yield connection

    @asynccontextmanager
    async def autocommit_read(self) -> AsyncGenerator[AsyncConnection]:
        """For statements that only read, without the round trips of BEGIN and ROLLBACK. Each statement sees everything
        that was committed before it. Behind a pooler it is a transaction: see `PooledConnection`.
        """
        async with _translated(), self.admission.connection() as connection:
            if is_pooled(connection):
                async with _ended(connection, "BEGIN", "COMMIT"):
                    yield connection
            else:
                yield connection

    async def is_pooled(self) -> bool:
        """Whether a pooler such as PgBouncer is between Adsum and Postgres. It connects.

        Raises:
            StorageOutage: the server does not answer.
        """
        async with _translated(), self.admission.connection() as connection:
            return is_pooled(connection)

    async def ends_left_statements(self) -> bool:
        """Whether a statement that waits for a lock ends soon after its client has left. It connects.

        Raises:
            StorageOutage: the server does not answer.
        """
        async with _translated(), self.admission.connection() as connection:
            return ends_left(connection)

    async def wait_for_standby(self, connection: AsyncConnection) -> None:
        """Waits until the synchronous standby has everything that this connection can see; without one, until it is on
        disk. A transaction whose COMMIT was not answered may be visible before that: after a crash Postgres shows it.

        Raises:
            StorageOutage: the standby does not answer.
        """
        if self.is_postgres:
            with committing(connection):
                await execute_raw(connection, "SELECT pg_logical_emit_message(true, 'adsum', '')")

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database; None on Postgres."""
        name = self.engine.url.database
        return None if self.is_postgres or name is None else Path(name)

    @property
    def is_missing(self) -> bool:
        """Whether the SQLite file does not exist. False if this user may not see it. Connecting would create it."""
        try:
            return self.file is not None and not self.file.exists()
        except PermissionError:
            return False

    async def require_connection(self) -> None:
        """Connects once. Raises ConfigurationError with the reason if that fails. A locked SQLite file is usable."""
        try:
            if self.file is not None:
                # Not with the pool, whose connections wait for locks.
                with closing(open_file(self.file, timeout=0)) as connection:
                    connection.execute("PRAGMA schema_version")
            else:
                async with self.engine.connect():
                    pass
        except (sqlite3.Error, DBAPIError, asyncpg.PostgresError, *_OUTAGES) as error:
            if is_locked(error):
                return
            cause = error.orig if isinstance(error, DBAPIError) else error
            reason = " ".join(str(cause).rpartition("'>: ")[2].split()) or type(cause).__name__
            raise ConfigurationError(f"ADSUM_DATABASE_URL: the database cannot be used: {reason}") from None

    async def close(self) -> None:
        await self.admission.close()
        await self.engine.dispose()


def open_database(url: str, connections: int = CONNECTIONS) -> Database:
    """Opens `sqlite:///path` or `postgresql://…`, with or without the name of an async driver.

    A URL of Postgres may name several hosts: connections are opened to the one that accepts writes. There are at most
    `connections`; those above half of them are closed after use. A few stay out of the pool: see `Admission`.

    Raises:
        ConfigurationError: the URL is invalid, or names another kind of database.
    """
    return _opened(parse_database_url(url), connections)


def open_standby(url: str, connections: int = CONNECTIONS) -> Database:
    """Opens a standby of Postgres. Raises ConfigurationError: the URL is invalid."""
    return _opened(DatabaseUrl(parse_read_url(url)), connections)


def _opened(parsed: DatabaseUrl, connections: int) -> Database:
    if parsed.url.get_backend_name() == "postgresql":
        return Database(postgres_pool(parsed, connections), parsed.hosts)
    return Database(sqlite_pool(parsed))


@asynccontextmanager
async def _ended(connection: AsyncConnection, begin: str, end: str) -> AsyncGenerator[None]:
    """Executes `begin`, and `end` after the block. Rolls back on an error."""
    try:
        if is_pooled(connection):
            begin = begin_behind_pooler(begin, ends_left=ends_left(connection))
        await execute_raw(connection, begin)
        yield
        with committing(connection):
            _require_reply(end, await execute_raw(connection, end))
    except BaseException:
        await roll_back(connection)
        raise


def _require_reply(statement: str, reply: str) -> None:
    """Postgres replies ROLLBACK to COMMIT if a statement failed and its error was suppressed."""
    if reply != statement:
        raise StorageOutage("the transaction was rolled back")


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except (DBAPIError, asyncpg.PostgresError, sqlite3.Error) as error:
        match sqlstate_of(error):
            case "40001" | "40P01":
                raise Deadlocked("the database does not answer") from error
            case "55P03":
                raise LockTimeout("the database does not answer") from error
            case "42501":
                raise StorageOutage("the database user lacks a privilege") from error
            case "23505":
                raise RowExists(name_of(error)) from error
            case _:
                pass
        if is_outage(error):
            raise StorageOutage("the database does not answer") from error
        raise RejectedRows(name_of(error)) from error
    except _OUTAGES as error:
        raise StorageOutage("the database does not answer") from error


def is_outage(error: DriverError) -> bool:
    """Whether the server failed to execute the statement, rather than rejected its data."""
    state = sqlstate_of(error)
    if state is not None:
        return not state.startswith(_WRONG_ROW_CLASSES)
    return not isinstance(error, DataError | IntegrityError | sqlite3.DataError | sqlite3.IntegrityError)
