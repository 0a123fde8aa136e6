"""Direct access to the asyncpg and aiosqlite connection, for transaction control and hot statements."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias, cast

import aiosqlite
import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has types of its own, but no marker of them
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.cancellation import uncancellable
from adsum.platform.database.sqlite.cursor import fetch

# After which the connection is closed: a frozen server would keep the caller waiting.
ROLLBACK_TIMEOUT_S = 2.0


class Driver(Protocol):
    """The methods of an asyncpg connection that Adsum uses. asyncpg ships incomplete types, and its `isinstance` says
    of any connection that it is one of any class of connections.
    """

    is_pooled: bool
    ends_left: bool

    def is_closed(self) -> bool: ...

    def is_in_transaction(self) -> bool: ...

    async def execute(self, query: str, *, timeout: float | None = None) -> str: ...  # noqa: ASYNC109

    async def fetch(self, query: str, *args: Any) -> list[Sequence[Any]]: ...

    async def executemany(self, command: str, args: Sequence[Sequence[Any]]) -> None: ...


def driver_of(connection: AsyncConnection) -> Driver:
    """The asyncpg connection under a SQLAlchemy connection to Postgres. Both share one transaction."""
    return cast("Driver", _driver(connection))


def sqlite_driver(connection: AsyncConnection) -> aiosqlite.Connection:
    """The aiosqlite connection under a SQLAlchemy connection to SQLite. Both share one transaction."""
    return cast("aiosqlite.Connection", _driver(connection))


def _driver(connection: AsyncConnection) -> object:
    sync_connection = connection.sync_connection
    assert sync_connection is not None
    return sync_connection.connection.driver_connection


class UncancelledCommits(asyncpg.Connection):
    """A connection that is closed if a commit takes too long or its caller is cancelled. asyncpg cancels the commit.

    A commit may wait for a synchronous standby. Postgres cannot undo it: if the wait is cancelled, it shows the
    transaction to all sessions although no standby has it, and an answer that is based on it is lost with the primary.
    Without a cancellation the transaction stays invisible until the standby has it.
    """

    is_committing = False
    is_pooled = False
    ends_left = True

    def _cancel_current_command(self, waiter: Any, cancel_waiter: Any = None) -> None:
        if self.is_committing:
            # Not now: the protocol is still setting the result of the command.
            asyncio.get_running_loop().call_soon(self.terminate)
        else:
            cast("Any", super())._cancel_current_command(waiter, cancel_waiter)  # noqa: SLF001 - it is this method


class PooledConnection(UncancelledCommits):
    """A connection to a pooler, which gives each transaction any of its connections to Postgres.

    So nothing may outlive a transaction: neither prepared statements nor settings. And preparing a statement and
    executing it, which asyncpg sends apart, has to be one transaction.
    """

    is_pooled = True


def is_pooled(connection: AsyncConnection) -> bool:
    """Whether a pooler is between this connection and Postgres."""
    return connection.dialect.name == "postgresql" and driver_of(connection).is_pooled


def ends_left(connection: AsyncConnection) -> bool:
    """Whether the server ends a statement whose client has left. SQLite has no other process that could leave."""
    return connection.dialect.name != "postgresql" or driver_of(connection).ends_left


@contextmanager
def committing(connection: AsyncConnection) -> Generator[None]:
    """Marks the block in which a transaction is committed, on Postgres."""
    driver = driver_of(connection) if connection.dialect.name == "postgresql" else None
    if isinstance(driver, UncancelledCommits):
        driver.is_committing = True
    try:
        yield
    finally:
        if isinstance(driver, UncancelledCommits):
            driver.is_committing = False


def replace_ended(connection: Any, _record: object, _fairy: object) -> None:
    """Checks a connection on checkout. If the server closed it, the pool replaces it and all older connections.

    A connection inside a transaction is replaced, too: its next user would write into that transaction.
    """
    driver = connection.driver_connection
    if driver.is_closed():
        raise InvalidatePoolError
    if driver.is_in_transaction():
        raise DisconnectionError


def is_ready(connection: AsyncConnection) -> bool:
    """Whether a connection can be used again: it is open, and in no transaction."""
    if connection.closed or connection.invalidated or connection.in_transaction():
        return False
    if connection.dialect.name == "sqlite":
        return _is_idle(sqlite_driver(connection))
    driver = driver_of(connection)
    return not driver.is_closed() and not driver.is_in_transaction()


def _is_idle(connection: aiosqlite.Connection) -> bool:
    """Whether a connection to SQLite is open and in no transaction."""
    try:
        return not connection.in_transaction
    except ValueError:  # it was closed below SQLAlchemy
        return False


async def execute_raw(connection: AsyncConnection, command: str, timeout: float | None = None) -> str:  # noqa: ASYNC109
    """Executes BEGIN, COMMIT or a similar command without SQLAlchemy's overhead. Returns the reply of the server.

    `timeout`: seconds, on Postgres; None: those of any statement.
    """
    if connection.dialect.name == "sqlite":
        await fetch(sqlite_driver(connection), command)
        return command
    return await driver_of(connection).execute(command, timeout=timeout)


async def roll_back(connection: AsyncConnection) -> None:
    """Ends a failed transaction, so that the connection can be reused: also if the caller is cancelled, since the next
    user of the connection would be inside the old transaction.
    """
    await uncancellable(_roll_back(connection))


async def _roll_back(connection: AsyncConnection) -> None:
    try:
        await execute_raw(connection, "ROLLBACK", ROLLBACK_TIMEOUT_S)
    except Exception:  # noqa: BLE001 - the server rolls back when the connection closes
        # SQLite has rolled back itself if it interrupted a statement that writes.
        if connection.invalidated or connection.dialect.name != "sqlite" or not _is_idle(sqlite_driver(connection)):
            await connection.invalidate()


DriverError: TypeAlias = DBAPIError | asyncpg.PostgresError | sqlite3.Error
"""An error of a statement: as SQLAlchemy raises it, and as the drivers do."""


def sqlstate_of(error: DriverError) -> str | None:
    """The SQLSTATE. SQLite has none."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return state if isinstance(state, str) else None


def is_locked(error: BaseException) -> bool:
    """Whether another process holds a lock on the SQLite file."""
    code = getattr(error, "sqlite_errorcode", None)  # an extended code holds the primary code in its low byte
    return isinstance(code, int) and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def name_of(error: DriverError) -> str:
    """The class of the error. Its text may quote a row."""
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__
