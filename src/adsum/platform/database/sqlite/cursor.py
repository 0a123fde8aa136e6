"""Executes a statement of SQLite in one visit of the thread of its connection, for SQLAlchemy and directly.

aiosqlite runs each call of a cursor in that thread. SQLAlchemy makes four for a statement: it opens the cursor,
executes, fetches all rows and closes. Each call wakes the thread and then the event loop, which takes longer than most
statements: the page of a register has 14 of them, and waited 78 times.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import aiosqlite
from sqlalchemy.connectors.asyncio import AsyncIODBAPIConnection
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from typing_extensions import override

from adsum.platform.database.sqlite.files import open_in_thread

# The errors of aiosqlite for a connection that was closed below its user.
_CLOSED = {"no active connection", "Connection closed"}


@dataclass(slots=True)
class _Executed:
    """The attributes that a cursor keeps after it is closed; before a statement, the defaults of the DBAPI."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1

    def close(self) -> None:
        """The cursor in the thread is closed already."""


async def _visit(
    connection: aiosqlite.Connection, execute: Callable[[sqlite3.Cursor], object]
) -> tuple[Any, list[Any]]:
    """Executes a statement. A connection has one user at a time: a cancellation interrupts all its statements, also
    one of a neighbour that the thread executes while this one waits.
    """
    driver: Any = connection
    is_left = False

    def visit() -> tuple[_Executed, list[Any]]:
        if is_left:
            raise sqlite3.OperationalError("interrupted")
        cursor: sqlite3.Cursor = driver._conn.cursor()  # noqa: SLF001 - aiosqlite has no public way
        try:
            execute(cursor)
            rows = cursor.fetchall()
            return _Executed(cursor.description, cursor.rowcount, cursor.lastrowid), rows
        finally:
            cursor.close()

    try:
        return await driver._execute(visit)  # noqa: SLF001 - as above
    except asyncio.CancelledError:
        # The thread would execute it to its end before the rollback.
        is_left = True
        with suppress(ValueError, sqlite3.Error):
            await driver.interrupt()
        raise
    except ValueError as error:
        if str(error) in _CLOSED:
            raise sqlite3.OperationalError(str(error)) from None
        raise


async def fetch(connection: aiosqlite.Connection, sql: str, values: Sequence[Any] = ()) -> list[Sequence[Any]]:
    """Executes a statement without SQLAlchemy, in the same transaction. Returns its rows."""
    _, rows = await _visit(connection, lambda cursor: cursor.execute(sql, values))
    return rows


async def execute_many(connection: aiosqlite.Connection, sql: str, values: Sequence[Sequence[Any]]) -> None:
    """Executes a statement once for each sequence of values, without SQLAlchemy."""
    await _visit(connection, lambda cursor: cursor.executemany(sql, values))


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()

    _awaitable_cursor_close = False

    @override
    def _make_new_cursor(self, connection: AsyncIODBAPIConnection) -> Any:
        return _Executed()

    @override
    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    @override
    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        await self._visit(lambda cursor: cursor.execute(operation, parameters or ()))

    @override
    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        await self._visit(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _visit(self, execute: Callable[[sqlite3.Cursor], object]) -> None:
        adapted: Any = self._adapt_connection
        async with adapted._execute_mutex:  # noqa: SLF001
            self._cursor, rows = await _visit(cast("Any", self._connection), execute)
        self._rows = deque(rows)


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ()

    _cursor_cls = _Cursor


class OneVisitModule(AsyncAdapt_aiosqlite_dbapi):
    """The driver of SQLite, for `module` of `create_async_engine`."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    @override
    def connect(self, *arg: Any, **kw: Any) -> _Connection:
        connected: Any = super().connect(*arg, async_creator_fn=open_in_thread, **kw)
        return _Connection(self, connected._connection)  # noqa: SLF001
