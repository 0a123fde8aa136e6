"""End to end: one API process and one worker process, from the POST to `isCompleted`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import quantiles

from benchmarks.client import Connection, open_connections
from benchmarks.costs import all_cpu_seconds, resident_mb
from benchmarks.scenarios.requests import mark_classes, seconds_to_completed, warm_up
from benchmarks.servers import Servers
from benchmarks.sizes import CLIENTS, STUDENTS, Size
from benchmarks.systems import Result, System


async def run(system: System, size: Size, servers: Servers) -> Result:
    """Takes all measures over HTTP, for a system on Postgres."""
    with ExitStack() as stack:
        stack.enter_context(system.with_worker())
        port = stack.enter_context(system.with_api())
        with open_connections(port, max(CLIENTS)) as connections:
            await warm_up(system, connections, port, size)
            values: dict[str, float] = {}
            for clients in CLIENTS:
                values |= await _saturate(system, connections[:clients], port, size, _processes(system, servers))
            values |= await _single_classes(system, connections[0], port, size)
        return values | {"memory": _memory(system)}, await system.violations()


async def run_embedded(system: System, size: Size) -> Result:
    """Takes the same measures on SQLite, and the CPU time of the idle system."""
    with ExitStack() as stack:
        stack.enter_context(system.with_worker())
        port = stack.enter_context(system.with_api())
        with open_connections(port, max(CLIENTS)) as connections:
            await warm_up(system, connections, port, size)
            values = await _saturate(system, connections, port, size, {})
            values |= await _single_classes(system, connections[0], port, size)
        pids = {**system.processes, "valkey": system.data.valkey_pid}
        before = sum(all_cpu_seconds(pids).values())
        await asyncio.sleep(size.idle_seconds)
        idle = (sum(all_cpu_seconds(pids).values()) - before) / size.idle_seconds * 100
        return values | {"idle": idle, "memory": _memory(system)}, await system.violations()


def _memory(system: System) -> float:
    return sum(resident_mb(pid) for pid in system.processes.values())


def _processes(system: System, servers: Servers) -> dict[str, int]:
    return {**system.processes, "postgres": servers.postmaster, "valkey": system.data.valkey_pid}


async def _saturate(
    system: System, connections: Sequence[Connection], port: int, size: Size, pids: dict[str, int]
) -> dict[str, float]:
    """Each client sends its next request when the last is answered. Measures until all batches are completed."""
    count = size.flood[system.name]
    before, own, begin = all_cpu_seconds(pids), time.process_time(), time.perf_counter()
    await mark_classes(system, connections, port, count)
    client = (time.process_time() - own) / count
    await system.wait_until_done()
    rows, seconds = count * STUDENTS, time.perf_counter() - begin
    values = {f"http-{len(connections)}": rows / seconds}
    if pids and len(connections) == max(CLIENTS):
        after = all_cpu_seconds(pids)
        values |= {f"cpu-{name}": (after[name] - before[name]) / rows * 1e6 for name in pids}
        values["client"] = client * 1e6
    return values


async def _single_classes(system: System, connection: Connection, port: int, size: Size) -> dict[str, float]:
    """Measures one class at a time on an idle system, then the big class."""
    lone = [await seconds_to_completed(system, connection, port, batch) for batch in system.timetable.take(size.lone)]
    cuts = quantiles(lone, n=100)
    big = await seconds_to_completed(system, connection, port, system.timetable.take_big())
    return {"lone-p50": cuts[49] * 1e3, "lone-p95": cuts[94] * 1e3, "big": big}
