"""Asks several servers one question at once, such as which of them is the primary. Callers share one lookup."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from adsum.platform.addresses import Host
from adsum.platform.cancellation import end

# Seconds in which the answers of several servers are compared. Less than a request has for Redis.
COMPARED_FOR_S = 0.1

Answer = TypeVar("Answer")


class Lookup:
    """Finds a server. One search at a time, for all connections that need it. It outlives a request that has no time
    left, and the next request receives its result.
    """

    def __init__(self, search: Callable[[], Coroutine[Any, Any, Host]]) -> None:
        self._search = search
        self._searching: asyncio.Task[Host] | None = None

    async def result(self) -> Host:
        """Raises the error of the search."""
        if self._searching is None or self._searching.done():
            self._searching = asyncio.create_task(self._search())
            self._searching.add_done_callback(_retrieve)
        return await asyncio.shield(self._searching)

    async def close(self) -> None:
        """Ends the search that is under way."""
        if self._searching is not None:
            await end([self._searching])


async def ask_all(
    questions: Iterable[Coroutine[Any, Any, Answer]], is_usable: Callable[[Answer], bool]
) -> tuple[list[Answer], list[BaseException]]:
    """Asks all servers at once. Waits for the first usable answer, and for those that come soon, to compare them.

    Returns:
        The usable answers, and the errors. Without a usable answer all servers have answered or failed.
    """
    asking = {asyncio.create_task(each) for each in questions}
    try:
        done, waiting = await asyncio.wait(asking, timeout=COMPARED_FOR_S)
        while waiting and not _usable(done, is_usable):
            answered, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            done |= answered
        errors = [error for each in done if (error := each.exception()) is not None]
        return _usable(done, is_usable), errors
    finally:
        await end(asking)


def _usable(done: Iterable[asyncio.Task[Answer]], is_usable: Callable[[Answer], bool]) -> list[Answer]:
    return [each.result() for each in done if each.exception() is None and is_usable(each.result())]


def _retrieve(search: asyncio.Task[Host]) -> None:
    """Retrieves the error, which asyncio would log: the requests that waited for the search may have ended."""
    if not search.cancelled():
        search.exception()
