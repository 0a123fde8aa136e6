"""Waiting for a condition, with a deadline: never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

DEADLINE_S = 15.0


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Asks until the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)
