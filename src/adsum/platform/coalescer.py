"""Coalesces concurrent work: items that arrive during a flush form the next flush."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Overloaded, Unavailable

# Of what requests ask for. In one flush: others wait for it.
REQUESTS_AT_MOST = 64
# A few seconds' worth: who would wait longer is told to come again.
WAITING_AT_MOST = 1_024

Item = TypeVar("Item")
Result = TypeVar("Result")


class Coalescer(Generic[Item, Result]):
    """Whatever is submitted while a flush runs goes into the next flush, as one. Nothing waits for a timer.

    There is one flush at a time: two would share what has come, and each cost as much as one.

    Args:
        flush: does items, in the order of their submission, and returns a result for each. Where it raises, the same
            items come again in halves, until the culprit stands alone: so it must bear being done twice. An outage is
            nobody's fault, and is raised to all of them.
        at_most: items in one flush.
        waiting_at_most: items that wait for a flush; more are refused.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        at_most: int,
        waiting_at_most: int,
    ) -> None:
        self._flush = flush
        self._at_most = at_most
        self._waiting_at_most = waiting_at_most
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self._is_closing = False

    async def submit(self, item: Item) -> Result:
        """Has an item done. Whoever is cancelled meanwhile takes nothing back: the item is done all the same.

        Raises:
            Overloaded: too many wait already.
            Exception: whatever the flush raises of this item alone.
        """
        if len(self._waiting) >= self._waiting_at_most:
            raise Overloaded("too much is waiting to be done")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._begin()
        return await done

    async def close(self) -> None:
        """Ends what is being done, and cancels who waits. To be called when nobody submits any more."""
        self._is_closing = True
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.wait([self._flushing])
        for _, done in self._waiting:
            done.cancel()
        self._waiting.clear()

    def _begin(self) -> None:
        if self._flushing is None:
            # In a context of its own: what one submitter's log lines say is not so of the others.
            self._flushing = asyncio.create_task(self._flush_all(), context=Context())

    async def _flush_all(self) -> None:
        try:
            while self._waiting:
                count = min(self._at_most, len(self._waiting))
                await self._flush_isolating([self._waiting.popleft() for _ in range(count)])
        finally:
            # Here, not when the task's end is noticed: whoever submits in between would wait for nobody.
            self._flushing = None
            if self._waiting and not self._is_closing:
                self._begin()  # a flush was cancelled, by whatever it is: the others are not to wait for nobody

    async def _flush_isolating(self, together: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._flush([item for item, _ in together])
            pairs = list(zip(together, results, strict=True))
        except asyncio.CancelledError:
            for _, done in together:
                done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it is passed on to who submitted
            await self._isolate(together, error)
            return
        for (_, done), result in pairs:
            if not done.done():
                done.set_result(result)

    async def _isolate(self, together: Sequence[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
        if len(together) > 1 and not isinstance(error, Unavailable):
            middle = len(together) // 2
            await self._flush_isolating(together[:middle])
            await self._flush_isolating(together[middle:])
            return
        for _, done in together:
            if not done.done():
                done.set_exception(error)


Key = TypeVar("Key")
Row = TypeVar("Row")


class BatchedLookup(Generic[Key, Row]):
    """Finds rows. `find` is the statement that does it for many keys; a key that it leaves out has no row."""

    def __init__(
        self, database: Database, find: Callable[[Connection, Collection[Key]], Awaitable[Mapping[Key, Row]]]
    ) -> None:
        self._database = database
        self._find = find
        self._together: Coalescer[Key, Row | None] = Coalescer(
            self._find_all, at_most=REQUESTS_AT_MOST, waiting_at_most=WAITING_AT_MOST
        )

    async def find(self, key: Key) -> Row | None:
        """The row of a key, as it is now.

        Raises:
            StorageOutage: the database does not answer.
            Overloaded: too many wait already.
        """
        return await self._together.submit(key)

    async def close(self) -> None:
        """Ends what is being looked up. To be called when nobody asks any more."""
        await self._together.close()

    async def _find_all(self, keys: Sequence[Key]) -> list[Row | None]:
        async with self._database.autocommit_read() as connection:
            rows = await self._find(connection, set(keys))
        return [rows.get(key) for key in keys]
