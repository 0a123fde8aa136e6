"""`python -m benchmarks.endurance`: runs at full load for ten minutes and checks for memory growth and lost records.

Starts one API and one worker process with default settings on Postgres. Each of 64 clients sends its next class when
the last request is answered.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import uvloop

from benchmarks import schools
from benchmarks.client import Connection, open_connections
from benchmarks.costs import resident_mb
from benchmarks.machine import machine
from benchmarks.our_system import OurSystem, clear_settings
from benchmarks.scenarios.requests import mark_classes
from benchmarks.servers import own_data, require_durability, started_servers
from benchmarks.sizes import CLIENTS, FULL, STUDENTS
from benchmarks.timetable import Timetable

# Classes between two samples of the memory: a few seconds of load.
CLASSES = 5_000
SIZE = replace(FULL, big=STUDENTS)


def main() -> int:
    """Runs the load. Returns 1 if a check failed."""
    parser = argparse.ArgumentParser("python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    clear_settings()
    print(machine())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        violations = runner.run(_run(options.minutes * 60))
    print(
        *(
            violations[:20]
            or ["checked: each student of each class is recorded once, each batch is complete, no key is left"]
        ),
        sep="\n",
    )
    return 1 if violations else 0


async def _run(seconds: float) -> list[str]:
    with started_servers() as servers:
        await require_durability(servers)
        token = await schools.make_our_school(servers, SIZE)
        async with own_data(servers, schools.OURS) as data:
            system = OurSystem(data, Timetable(SIZE.classes, SIZE.big), servers, token)
            with ExitStack() as stack:
                stack.enter_context(system.with_worker())
                port = stack.enter_context(system.with_api())
                connections = stack.enter_context(open_connections(port, max(CLIENTS)))
                await _send_load(system, connections, port, seconds)
            return await system.violations()


async def _send_load(system: OurSystem, connections: Sequence[Connection], port: int, seconds: float) -> None:
    await mark_classes(system, connections, port, CLASSES)
    await system.wait_until_done()
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        begin = time.monotonic()
        await mark_classes(system, connections, port, CLASSES)
        rate = CLASSES * STUDENTS / (time.monotonic() - begin)
        print(f"{time.monotonic() - began:4.0f} s  {_memory(system)}  accepted {rate:,.0f} attendances/s", flush=True)
    begin = time.monotonic()
    await system.wait_until_done()
    print(f"the backlog was recorded in {time.monotonic() - begin:.1f} s; {system.timetable.rows:,} in total")


def _memory(system: OurSystem) -> str:
    memory = {kind: resident_mb(pid) for kind, pid in system.processes.items()}
    return f"{sum(memory.values()):4.0f} MB ({', '.join(f'{kind} {mb:.0f}' for kind, mb in sorted(memory.items()))})"


if __name__ == "__main__":
    sys.exit(main())
