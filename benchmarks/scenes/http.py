"""End to end: one API process and one worker process, from the POST to `isCompleted`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import quantiles

from benchmarks.client import Line, opened_lines, paced
from benchmarks.costs import all_cpu_seconds, resident_mb
from benchmarks.scenes.requests import completed, insist, marked, posts
from benchmarks.servers import Servers
from benchmarks.sizes import CLIENTS, STUDENTS, Size
from benchmarks.systems import Outcome, System


async def play(system: System, size: Size, servers: Servers) -> Outcome:
    """Everything that is measured over HTTP, with both databases on Postgres."""
    with ExitStack() as stack:
        stack.enter_context(system.with_worker())
        port = stack.enter_context(system.with_api())
        with opened_lines(port, max(CLIENTS)) as lines:
            await _warmed(system, lines, port, size)
            values: dict[str, float] = {}
            for clients in CLIENTS:
                values |= await _flooded(system, lines[:clients], port, size, _processes(system, servers))
            values |= await _paced(system, lines, port, size, values[f"http-{max(CLIENTS)}"] / STUDENTS / 2)
            values |= await _alone(system, lines[0], port, size)
        return values | {"memory": _memory(system)}, await system.violations()


async def play_embedded(system: System, size: Size) -> Outcome:
    """The same on SQLite, and what the idle system takes."""
    with ExitStack() as stack:
        stack.enter_context(system.with_worker())
        port = stack.enter_context(system.with_api())
        with opened_lines(port, max(CLIENTS)) as lines:
            await _warmed(system, lines, port, size)
            values = await _flooded(system, lines, port, size, {})
            values |= await _alone(system, lines[0], port, size)
        pids = {**system.processes, "valkey": system.data.valkey_pid}
        before = sum(all_cpu_seconds(pids).values())
        await asyncio.sleep(size.idle_seconds)
        idle = (sum(all_cpu_seconds(pids).values()) - before) / size.idle_seconds * 100
        return values | {"idle": idle, "memory": _memory(system)}, await system.violations()


def _memory(system: System) -> float:
    return sum(resident_mb(pid) for pid in system.processes.values())


def _processes(system: System, servers: Servers) -> dict[str, int]:
    return {**system.processes, "postgres": servers.postmaster, "valkey": system.data.valkey_pid}


async def _warmed(system: System, lines: Sequence[Line], port: int, size: Size) -> None:
    await marked(system, lines, port, size.warm)
    await system.done()


async def _flooded(
    system: System, lines: Sequence[Line], port: int, size: Size, pids: dict[str, int]
) -> dict[str, float]:
    """Each client sends its next request when the last is answered: from the first POST until all are completed."""
    count = size.flood[system.name]
    before, own, begin = all_cpu_seconds(pids), time.process_time(), time.perf_counter()
    await marked(system, lines, port, count)
    client = (time.process_time() - own) / count
    await system.done()
    rows, seconds = count * STUDENTS, time.perf_counter() - begin
    values = {f"http-{len(lines)}": rows / seconds}
    if pids and len(lines) == max(CLIENTS):
        after = all_cpu_seconds(pids)
        values |= {f"cpu-{name}": (after[name] - before[name]) / rows * 1e6 for name in pids}
        values["client"] = client * 1e6
    return values


async def _paced(system: System, lines: Sequence[Line], port: int, size: Size, rate: float) -> dict[str, float]:
    """Until a request is accepted, at half of the rate that the system reached in this very run."""
    count = max(10, round(rate * size.paced_seconds))
    answers, taken = await paced(lines, posts(system, port, system.timetable.take(count)), rate)
    insist(answers)
    await system.done()
    cuts = quantiles(taken, n=100)
    return {"accept-p50": cuts[49] * 1e3, "accept-p99": cuts[98] * 1e3}


async def _alone(system: System, line: Line, port: int, size: Size) -> dict[str, float]:
    """One class after the other, each on an idle system; then the big one."""
    lone = [await completed(system, line, port, batch) for batch in system.timetable.take(size.lone)]
    cuts = quantiles(lone, n=100)
    big = await completed(system, line, port, system.timetable.take_big())
    return {"lone-p50": cuts[49] * 1e3, "lone-p95": cuts[94] * 1e3, "big": big}
