"""Connections of a pool, which are refused early while the database is too slow.

A request that waits for a connection can only wait longer than those before it. Once one of them has waited for
`REFUSE_AFTER_S`, later ones are refused at once, and their clients come back when it is their time. The queue thereby
never holds more than what arrives within that time, whatever its cause: slow statements, locks, a frozen server, a
process that has no CPU.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adsum.platform.coalescer import REFUSE_AFTER_S
from adsum.platform.errors import Overloaded


class Admission:
    """Gives out the connections of an engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # When each request began to wait, in this order.
        self._waiting: dict[object, float] = {}

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for the block.

        Raises:
            Overloaded: others wait too long already. Nothing was executed.
        """
        key, now = object(), asyncio.get_running_loop().time()
        if now - next(iter(self._waiting.values()), now) > REFUSE_AFTER_S:
            raise Overloaded("the database is too slow for more requests")
        self._waiting[key] = now
        try:
            async with self._engine.connect() as connection:
                del self._waiting[key]
                yield connection
        finally:
            self._waiting.pop(key, None)
