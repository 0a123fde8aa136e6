"""What is said to a connection below SQLAlchemy: where a transaction begins and ends, and what is to be quick."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, cast

from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection


class Driver(Protocol):
    """What is asked of a connection of asyncpg's, whose own types say less."""

    async def execute(self, query: str) -> str: ...

    async def fetch(self, query: str, *args: Any) -> list[Sequence[Any]]: ...

    async def executemany(self, command: str, args: Sequence[Sequence[Any]]) -> None: ...


def driver_of(connection: AsyncConnection) -> Driver:
    """The connection of asyncpg's below one to Postgres: what it is told is told within the same transaction."""
    below = connection.sync_connection
    assert below is not None
    return cast("Driver", below.connection.driver_connection)


def replace_ended(connection: Any, _record: object, _fairy: object) -> None:
    """Before a connection is lent: one that the server has ended is made anew, and so are all others of its age.

    One within a transaction there never is; whoever had it would write into somebody else's.
    """
    driver = connection.driver_connection
    if driver.is_closed():
        raise InvalidatePoolError
    if driver.is_in_transaction():
        raise DisconnectionError


async def execute_raw(connection: AsyncConnection, words: str) -> str:
    """BEGIN, COMMIT and their like: most of what SQLAlchemy would make of them is not needed. Returns the answer."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql(words)
        return words
    return await driver_of(connection).execute(words)


async def rolled_back(connection: AsyncConnection) -> None:
    """Ends a transaction that has failed, or has not begun: what comes next on this connection is not part of it."""
    await _to_its_end(_roll_back(connection))


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Whoever is cancelled, again and again, waits for it all the same: what comes next on this connection would be
    halfway in it.
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
    except Exception:  # noqa: BLE001 - whatever it was: the server rolls back what it hears no more of
        await connection.invalidate()
