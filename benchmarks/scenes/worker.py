"""A worker alone: everything waits when it starts; attendances a second from its first record to the last batch."""

from __future__ import annotations

import asyncio
import time

from benchmarks.client import opened_lines
from benchmarks.peer_systems import PythonPeer
from benchmarks.scenes.requests import marked
from benchmarks.sizes import Size
from benchmarks.systems import DONE_S, Outcome, System, Unfinished

ACCEPTING_CLIENTS = 16


async def play_with_api(system: System, size: Size) -> Outcome:
    """The system's own API accepts what is to wait; meanwhile, what a waiting class takes in Redis."""
    with system.with_api() as port, opened_lines(port, ACCEPTING_CLIENTS) as lines:
        await marked(system, lines, port, size.warm)
        before, count = await _used_memory(system), size.worker[system.name]
        await marked(system, lines, port, count)
        waiting = (await _used_memory(system) - before) / count
    with system.with_worker():
        return {"worker": await _rate(system), "waiting": waiting}, await system.violations()


async def play_enqueued(system: PythonPeer, size: Size) -> Outcome:
    count = size.worker[system.name]
    system.timetable.take(count)
    system.enqueue(count)
    with system.with_worker():
        return {"worker": await _rate(system)}, await system.violations()


async def _rate(system: System) -> float:
    """Without the start of the process, which is not what a queue is about."""
    deadline = time.monotonic() + DONE_S
    while not (first := await system.written()):
        if time.monotonic() > deadline:
            raise Unfinished(f"the worker recorded nobody: {system.said('worker')}")
        await asyncio.sleep(0.001)
    begin = time.perf_counter()
    await system.done()
    return (system.timetable.rows - first) / (time.perf_counter() - begin)


async def _used_memory(system: System) -> int:
    return int((await system.data.redis.info("memory"))["used_memory"])
