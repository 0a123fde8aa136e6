"""Connections of a pool, which are refused early while the database is too slow.

A request that waits for a connection can only wait longer than those before it. Once one of them has waited for
`REFUSE_AFTER_S`, later ones are refused at once, and their clients come back when it is their time. The queue thereby
never holds more than what arrives within that time, whatever its cause: slow statements, locks, a frozen server, a
process that has no CPU.

A few connections stay out of the pool between two uses. Taking a connection from SQLAlchemy's pool and returning it
costs a lone request more than the round trip for which it is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adsum.platform.cancellation import uncancellable
from adsum.platform.coalescer import REFUSE_AFTER_S
from adsum.platform.database.driver import is_ready
from adsum.platform.errors import Overloaded


class Admission:
    """Gives out the connections of an engine.

    Args:
        engine: has the pool.
        keeps: the number of connections that may stay out of the pool.

    Attributes:
        kept: the connections that wait out of the pool for their next use. The one that was used last is reused first,
            since it has most statements prepared.
    """

    def __init__(self, engine: AsyncEngine, keeps: int) -> None:
        self._engine = engine
        self._keeps = keeps
        self.kept: list[AsyncConnection] = []
        # When each request began to wait, in this order.
        self._waiting: dict[object, float] = {}

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for the block.

        Raises:
            Overloaded: others wait too long already. Nothing was executed.
        """
        connection = await self._take_kept() or await self._take_from_pool()
        try:
            yield connection
        except BaseException:
            is_lost = not is_ready(connection)
            await uncancellable(connection.close())
            if is_lost:  # most likely with the server, and the others with it
                await self._release_kept()
            raise
        if self._may_keep(connection):
            self.kept.append(connection)
        else:
            await uncancellable(connection.close())

    async def close(self) -> None:
        """Returns the connections that are kept to the pool, and keeps no other one."""
        self._keeps = 0
        await self._release_kept()

    async def _release_kept(self) -> None:
        while self.kept:
            await uncancellable(self.kept.pop().close())

    async def _take_kept(self) -> AsyncConnection | None:
        """None: none is kept, or the server has ended the one that was used last, and most likely the others."""
        if not self.kept:
            return None
        connection = self.kept.pop()
        if is_ready(connection):
            return connection
        await uncancellable(connection.close())
        await self._release_kept()
        return None

    async def _take_from_pool(self) -> AsyncConnection:
        key, now = object(), asyncio.get_running_loop().time()
        if now - next(iter(self._waiting.values()), now) > REFUSE_AFTER_S:
            raise Overloaded("the database is too slow for more requests")
        self._waiting[key] = now
        try:
            return await self._engine.connect()
        finally:
            del self._waiting[key]

    def _may_keep(self, connection: AsyncConnection) -> bool:
        """Whether nothing is left of its use, and no other request waits for a connection of the pool."""
        return len(self.kept) < self._keeps and not self._waiting and is_ready(connection)
