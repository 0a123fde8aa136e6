"""One worker, started after all work is queued: attendances per second from its first record to the last batch."""

from __future__ import annotations

import asyncio
import time

from benchmarks.client import open_connections
from benchmarks.peer_systems import PythonPeer
from benchmarks.scenarios.requests import mark_classes
from benchmarks.sizes import Size
from benchmarks.systems import DONE_S, Result, System, Unfinished

ACCEPTING_CLIENTS = 16


async def run_with_api(system: System, size: Size) -> Result:
    """Accepts the batches with the system's own API, and measures the Redis memory of a waiting class."""
    with system.with_api() as port, open_connections(port, ACCEPTING_CLIENTS) as connections:
        await mark_classes(system, connections, port, size.warm)
        before, count = await _used_memory(system), size.worker[system.name]
        await mark_classes(system, connections, port, count)
        waiting = (await _used_memory(system) - before) / count
    with system.with_worker():
        return {"worker": await _rate(system), "waiting": waiting}, await system.violations()


async def run_enqueued(system: PythonPeer, size: Size) -> Result:
    count = size.worker[system.name]
    system.timetable.take(count)
    system.enqueue(count)
    with system.with_worker():
        return {"worker": await _rate(system)}, await system.violations()


async def _rate(system: System) -> float:
    """Returns the rate without the start of the process."""
    deadline = time.monotonic() + DONE_S
    while not (first := await system.written()):
        if time.monotonic() > deadline:
            raise Unfinished(f"the worker recorded no student: {system.log_tail('worker')}")
        await asyncio.sleep(0.001)
    begin = time.perf_counter()
    await system.wait_until_done()
    return (system.timetable.rows - first) / (time.perf_counter() - begin)


async def _used_memory(system: System) -> int:
    return int((await system.data.redis.info("memory"))["used_memory"])
