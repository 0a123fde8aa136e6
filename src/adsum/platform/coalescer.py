"""Coalesces concurrent work: items that arrive during a flush form the next flush."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, NamedTuple, TypeVar

from adsum.platform.cancellation import end
from adsum.platform.errors import Overloaded, Unavailable
from adsum.platform.tracing.spans import CURRENT, Members, on_behalf_of

# Requests in one flush. Others wait for it.
REQUESTS_AT_MOST = 64
# The work of a few seconds. More requests are refused as Overloaded.
WAITING_AT_MOST = 1_024
# While a request waits longer than this, later ones are refused at once: they could only wait longer.
REFUSE_AFTER_S = 3.0

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Submitted(NamedTuple, Generic[Item, Result]):
    """An item, its future result, the spans of its submitter, and the time of the event loop."""

    item: Item
    done: asyncio.Future[Result]
    spans: Members
    since: float


class Coalescer(Generic[Item, Result]):
    """Processes all items that arrive during a flush in the next flush. It uses no timer.

    There is one flush at a time: two flushes would share the items, and each would cost as much as one.

    Args:
        flush: processes items in the order of their submission and returns one result each. If it raises, both halves
            of the items are flushed again, until the failing item is alone; so a flush must be repeatable. An outage
            is raised to all submitters at once.
        at_most: the maximum of items in one flush.
        waiting_at_most: the maximum of items that wait for a flush; more are refused.
        refuse_after: seconds; while an item waits longer for a flush, others are refused.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        at_most: int,
        waiting_at_most: int,
        refuse_after: float = math.inf,
    ) -> None:
        self._flush = flush
        self._at_most = at_most
        self._waiting_at_most = waiting_at_most
        self._refuse_after = refuse_after
        self._waiting: deque[_Submitted[Item, Result]] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self._is_closing = False

    async def submit(self, item: Item) -> Result:
        """Processes an item. If the caller is cancelled meanwhile, the item is processed all the same.

        Raises:
            Overloaded: too many items wait, or one waits too long.
            Exception: the error of the flush for this item alone.
        """
        loop = asyncio.get_running_loop()
        is_late = self._waiting and loop.time() - self._waiting[0].since > self._refuse_after
        if is_late or len(self._waiting) >= self._waiting_at_most:
            raise Overloaded("too many requests are waiting")
        done: asyncio.Future[Result] = loop.create_future()
        self._waiting.append(_Submitted(item, done, CURRENT.get(), loop.time()))
        self._begin()
        return await done

    async def close(self) -> None:
        """Cancels the running flush and all waiting items. Call it after the last `submit`."""
        self._is_closing = True
        if self._flushing is not None:
            await end([self._flushing])
        for each in self._waiting:
            each.done.cancel()
        self._waiting.clear()

    def _begin(self) -> None:
        if self._flushing is None:
            # In an empty context: the context variables of one submitter do not apply to the others.
            self._flushing = asyncio.create_task(self._flush_all(), context=Context())

    async def _flush_all(self) -> None:
        try:
            while self._waiting:
                count = min(self._at_most, len(self._waiting))
                await self._flush_isolating([self._waiting.popleft() for _ in range(count)])
        finally:
            # Here, not in a callback of the task: an item that is submitted in between would never be flushed.
            self._flushing = None
            if self._waiting and not self._is_closing:
                self._begin()  # the flush was cancelled from outside; the waiting items need another one

    async def _flush_isolating(self, together: Sequence[_Submitted[Item, Result]]) -> None:
        try:
            with on_behalf_of(each.spans for each in together):
                results = await self._flush([each.item for each in together])
            pairs = list(zip(together, results, strict=True))
        except asyncio.CancelledError:
            for each in together:
                each.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - the submitters receive it
            await self._isolate(together, error)
            return
        for each, result in pairs:
            if not each.done.done():
                each.done.set_result(result)

    async def _isolate(self, together: Sequence[_Submitted[Item, Result]], error: Exception) -> None:
        if len(together) > 1 and not isinstance(error, Unavailable):
            middle = len(together) // 2
            await self._flush_isolating(together[:middle])
            await self._flush_isolating(together[middle:])
            return
        for each in together:
            if not each.done.done():
                each.done.set_exception(error)
