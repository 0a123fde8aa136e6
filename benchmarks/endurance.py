"""`python -m benchmarks.endurance`: ten minutes at full load, whether memory stays flat, and that nothing is lost.

One API and one worker process with default settings on Postgres, 64 clients that each send their next class as soon as
the last one is answered.
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
from benchmarks.client import Line, opened_lines
from benchmarks.costs import resident_mb
from benchmarks.machine import machine
from benchmarks.our_system import OurSystem, forget_settings
from benchmarks.scenes.requests import marked
from benchmarks.servers import insist_on_durability, own_data, started_servers
from benchmarks.sizes import CLIENTS, FULL, STUDENTS
from benchmarks.timetable import Timetable

# Sent between two looks at the memory: some seconds' worth.
CLASSES = 5_000
SIZE = replace(FULL, big=STUDENTS)


def main() -> int:
    """Plays; 1 where a check failed."""
    parser = argparse.ArgumentParser("python -m benchmarks.endurance", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    forget_settings()
    print(machine())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        violations = runner.run(_played(options.minutes * 60))
    print(
        *(violations[:20] or ["checked: every student of every class once, every batch complete, no key left"]),
        sep="\n",
    )
    return 1 if violations else 0


async def _played(seconds: float) -> list[str]:
    with started_servers() as servers:
        await insist_on_durability(servers)
        token = await schools.make_our_school(servers, SIZE)
        async with own_data(servers, schools.OURS) as data:
            system = OurSystem(data, Timetable(SIZE.classes, SIZE.big), servers, token)
            with ExitStack() as stack:
                stack.enter_context(system.with_worker())
                port = stack.enter_context(system.with_api())
                lines = stack.enter_context(opened_lines(port, max(CLIENTS)))
                await _loaded(system, lines, port, seconds)
            return await system.violations()


async def _loaded(system: OurSystem, lines: Sequence[Line], port: int, seconds: float) -> None:
    await marked(system, lines, port, CLASSES)
    await system.done()
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        begin = time.monotonic()
        await marked(system, lines, port, CLASSES)
        rate = CLASSES * STUDENTS / (time.monotonic() - begin)
        print(f"{time.monotonic() - began:4.0f} s  {_memory(system)}  accepted {rate:,.0f} attendances/s", flush=True)
    begin = time.monotonic()
    await system.done()
    print(f"the rest was recorded in {time.monotonic() - begin:.1f} s; {system.timetable.rows:,} in all")


def _memory(system: OurSystem) -> str:
    each = {kind: resident_mb(pid) for kind, pid in system.processes.items()}
    return f"{sum(each.values()):4.0f} MB ({', '.join(f'{kind} {mb:.0f}' for kind, mb in sorted(each.items()))})"


if __name__ == "__main__":
    sys.exit(main())
