"""Reads states from a watch, with a deadline."""

from __future__ import annotations

import asyncio

from adsum.batches.progress import Watch
from adsum.batches.rules import BatchStatus

DEADLINE_S = 15.0


async def next_of(watch: Watch) -> BatchStatus:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(watch)


async def rest_of(watch: Watch) -> list[BatchStatus]:
    async with asyncio.timeout(DEADLINE_S):
        return [status async for status in watch]


def settled(*states: BatchStatus) -> list[int]:
    return [status.tally.settled for status in states]
