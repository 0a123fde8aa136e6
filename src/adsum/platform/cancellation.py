"""Work that must not be cut off: by a cancellation, or by the error of work beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

# Longer than a task needs to close its connections to a server that answers.
CANCELLED_AGAIN_S = 1.0


class Client(Protocol):
    """A client that closes its connections, as redis-py's does."""

    @property
    def aclose(self) -> Callable[[], Awaitable[None]]: ...


Result = TypeVar("Result")
AnyClient = TypeVar("AnyClient", bound=Client)


async def uncancellable(work: Coroutine[Any, Any, object]) -> None:
    """Completes the work even if the caller is cancelled, and then raises the cancellation. Raises the error of the
    work.
    """
    working, cancelled = asyncio.create_task(work), None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    error = working.exception()
    if cancelled is not None:
        raise cancelled
    if error is not None:
        raise error


@asynccontextmanager
async def closing(client: AnyClient) -> AsyncGenerator[AnyClient]:
    """Closes a client at the end of the block."""
    try:
        yield client
    finally:
        await close(client)


async def close(*clients: Client) -> None:
    """Closes clients, and all their connections even if the caller is cancelled meanwhile. redis-py closes each in a
    task of its own, and a cancellation ends those tasks before they begin.

    Raises the first error, after all clients have been closed.
    """
    await uncancellable(all_of(each.aclose() for each in clients))


async def all_of(works: Iterable[Awaitable[Result]]) -> list[Result]:
    """The results of works that run at once. After all have ended, raises the first of their errors, in the order of
    `works`. A cancellation of the caller cancels all.
    """
    results: list[Result] = []
    for each in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(each, BaseException):
            raise each
        results.append(each)
    return results


async def end(tasks: Collection[asyncio.Task[Any]], again_s: float = CANCELLED_AGAIN_S) -> None:
    """Cancels tasks, and waits until they have ended. A caller that is cancelled meanwhile does not cancel them once
    more, while they close their connections. Their errors are not raised.

    A task can swallow a cancellation, so it is cancelled again every `again_s` seconds: before Python 3.12,
    `asyncio.wait_for`, with which redis-py sends commands, drops one that arrives together with its result.
    `uncancellable` protects what a task has to complete even if that takes longer.
    """
    for each in tasks:
        each.cancel()
    await uncancellable(_ended(set(tasks), again_s))


async def _ended(tasks: set[asyncio.Task[Any]], again_s: float) -> None:
    running = tasks
    while running:
        _, running = await asyncio.wait(running, timeout=again_s)
        for each in running:
            each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
