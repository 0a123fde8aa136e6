"""Direct access to the asyncpg and aiosqlite connection, for transaction control and hot statements."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, cast

from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection


class Driver(Protocol):
    """The methods of an asyncpg connection that Adsum uses. asyncpg ships incomplete types."""

    async def execute(self, query: str) -> str: ...

    async def fetch(self, query: str, *args: Any) -> list[Sequence[Any]]: ...

    async def executemany(self, command: str, args: Sequence[Sequence[Any]]) -> None: ...


def driver_of(connection: AsyncConnection) -> Driver:
    """The asyncpg connection under a SQLAlchemy connection to Postgres. Both share one transaction."""
    sync_connection = connection.sync_connection
    assert sync_connection is not None
    return cast("Driver", sync_connection.connection.driver_connection)


def replace_ended(connection: Any, _record: object, _fairy: object) -> None:
    """Checks a connection on checkout. If the server closed it, the pool replaces it and all older connections.

    A connection inside a transaction is replaced, too: its next user would write into that transaction.
    """
    driver = connection.driver_connection
    if driver.is_closed():
        raise InvalidatePoolError
    if driver.is_in_transaction():
        raise DisconnectionError


async def execute_raw(connection: AsyncConnection, command: str) -> str:
    """Executes BEGIN, COMMIT or a similar command without SQLAlchemy's overhead. Returns the reply of the server."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql(command)
        return command
    return await driver_of(connection).execute(command)


async def roll_back(connection: AsyncConnection) -> None:
    """Ends a failed transaction, so that the connection can be reused."""
    await _uncancellable(_roll_back(connection))


async def _uncancellable(work: Coroutine[Any, Any, None]) -> None:
    """Completes the work even if the caller is cancelled, and then raises the cancellation. A rollback that is cut off
    would leave the next user of the connection inside the old transaction.
    """
    working, cancelled = asyncio.create_task(work), None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def _roll_back(connection: AsyncConnection) -> None:
    try:
        await execute_raw(connection, "ROLLBACK")
    except Exception:  # noqa: BLE001 - the server rolls back when the connection closes
        await connection.invalidate()
