"""Work that a cancellation must not cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any


async def uncancellable(work: Coroutine[Any, Any, None]) -> None:
    """Completes the work even if the caller is cancelled, and then raises the cancellation."""
    working, cancelled = asyncio.create_task(work), None
    while not working.done():
        try:
            await asyncio.wait([working])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


async def end(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels tasks, and waits until they have ended. A caller that is cancelled meanwhile does not cancel them once
    more, while they close their connections.
    """
    for each in tasks:
        each.cancel()
    await uncancellable(_ended(tasks))


async def _ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
