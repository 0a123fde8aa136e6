"""What the state of the queue means to who waits for a batch, on stderr: from the batch itself nobody could tell."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adsum.batches.queue.control import QueueControl
from adsum.platform.redis.connection import QueueOutage, redis_deadline
from adsum.platform.settings import Settings
from adsum.wiring import open_queue_control

PAUSED = "the queue is paused: nothing is processed until adsum queue resume"
AWAY = "Valkey or Redis does not answer: accepted; it is queued when that is back"
BETWEEN_LOOKS_S = 1.0


async def tell_if_it_waits(settings: Settings) -> bool:
    """Says so if what was just accepted is not processed for now. Returns whether the pause was told.

    Nothing fails here, nor takes longer than Redis has for a request: the batch is accepted whatever Redis says.
    """
    async with open_queue_control(settings) as control:
        try:
            is_paused = await _is_paused(control)
        except QueueOutage:
            _say(AWAY)
            return False
    if is_paused:
        _say(PAUSED)
    return is_paused


@asynccontextmanager
async def telling_of_a_pause(settings: Settings) -> AsyncGenerator[None]:
    """Says once that the queue is paused, at once or as soon as somebody pauses it while the block lasts."""
    telling = asyncio.create_task(_tell_of_a_pause(settings))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def _tell_of_a_pause(settings: Settings) -> None:
    async with open_queue_control(settings) as control:
        while not await _is_surely_paused(control):  # noqa: ASYNC110 - Redis sets no event of ours
            await asyncio.sleep(BETWEEN_LOOKS_S)
    _say(PAUSED)


async def _is_surely_paused(control: QueueControl) -> bool:
    try:
        return await _is_paused(control)
    except QueueOutage:
        return False  # an outage may be short, and progress is read from the database


async def _is_paused(control: QueueControl) -> bool:
    async with redis_deadline():
        return await control.is_paused()


def _say(what: str) -> None:
    # Not typer.echo: a bar that is drawn has put itself in the place of `sys.stderr`.
    print(f"adsum: {what}", file=sys.stderr, flush=True)
