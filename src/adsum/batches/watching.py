"""Follows a batch until it ends, for the command line, and reports on stderr that the queue is paused or away."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext

from adsum.accounts.access import system_caller
from adsum.batches.progress import Progress
from adsum.batches.progress_display import display, json_lines
from adsum.batches.queue.control import QueueControl
from adsum.batches.rules import BatchStatus
from adsum.platform.clock import Clock
from adsum.platform.redis.connection import QueueOutage, redis_deadline

PAUSED = "the queue is paused: nothing is processed until adsum queue resume"
AWAY = "Valkey or Redis does not answer: accepted; it is queued when that is back"
POLL_INTERVAL_S = 1.0


async def watch_batch(
    progress: Progress,
    control: QueueControl,
    clock: Clock,
    batch_id: str,
    *,
    as_json: bool,
    pause_is_reported: bool,
) -> BatchStatus:
    """Shows each newer state of a batch until it ends, and returns the last one. It waits during an outage.

    Raises:
        NotFound: there is no such batch.
    """
    async with progress.watch(batch_id, system_caller()) as states:
        with json_lines() if as_json else display(clock) as show:
            status = await anext(states)
            show(status)
            if status.has_ended:
                return status
            async with nullcontext() if pause_is_reported else reporting_a_pause(control):
                async for status in states:
                    show(status)
    return status


async def report_queue_state(control: QueueControl) -> bool:
    """Reports that an accepted batch waits because the queue is paused or away. Returns whether it is paused.

    It never fails, and takes at most as long as a request waits for Redis: the batch is accepted in any case.
    """
    try:
        is_paused = await _is_paused(control)
    except QueueOutage:
        _print(AWAY)
        return False
    if is_paused:
        _print(PAUSED)
    return is_paused


@asynccontextmanager
async def reporting_a_pause(control: QueueControl) -> AsyncGenerator[None]:
    """Reports once that the queue is paused, if it is or becomes paused within the block."""
    task = asyncio.create_task(_report_pause(control))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _report_pause(control: QueueControl) -> None:
    while not await _is_known_to_be_paused(control):  # noqa: ASYNC110 - Redis cannot notify us
        await asyncio.sleep(POLL_INTERVAL_S)
    _print(PAUSED)


async def _is_known_to_be_paused(control: QueueControl) -> bool:
    try:
        return await _is_paused(control)
    except QueueOutage:
        return False  # the outage may be short, and progress comes from the database


async def _is_paused(control: QueueControl) -> bool:
    async with redis_deadline():
        return await control.is_paused()


def _print(text: str) -> None:
    # Not typer.echo: `Live` has replaced `sys.stderr` while it draws a bar.
    print(f"adsum: {text}", file=sys.stderr, flush=True)
