"""`./adsum chaos [PART …] --minutes M --seed S`: runs parts one after another and adds each to the report."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine

import uvloop

from tests.system.faults.chaos import report
from tests.system.faults.chaos.failovers import cluster_failovers, sentinel_failovers, standby_failovers
from tests.system.faults.chaos.floods import flushes, outage
from tests.system.faults.chaos.freezes import freezes
from tests.system.faults.chaos.kills import kills
from tests.system.faults.chaos.mixed import mixed, mixed_on_sqlite
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.restarts import postgres_restarts, valkey_restarts
from tests.system.faults.chaos.soak import soak
from tests.system.faults.chaos.upgrades import upgrades

# Each part ends within 20 minutes.
PARTS: dict[str, Callable[[int, float], Coroutine[None, None, Result]]] = {
    "kills": kills,
    "valkey": valkey_restarts,
    "flush": flushes,
    "freezes": freezes,
    "postgres": postgres_restarts,
    "outage": outage,
    "soak": soak,
    "sentinel": sentinel_failovers,
    "cluster": cluster_failovers,
    "standby": standby_failovers,
    "upgrade": upgrades,
    "mixed": mixed,
    "sqlite": mixed_on_sqlite,
}
LONGEST_MINUTES = 20.0


def main() -> int:
    """Runs the parts. Returns 1 if a promise was broken or a goal was missed."""
    arguments = _parser().parse_args()
    results = [play(part, arguments.seed, arguments.minutes) for part in arguments.parts or ["mixed"]]
    if not arguments.dry:
        for result in results:
            report.add(result)
    return 0 if all(result.reached for result in results) else 1


def play(part: str, seed: int, minutes: float) -> Result:
    """Runs one part and prints its result."""
    print(f"{part}: seed {seed}, at most {minutes:g} minutes, since {time.strftime('%H:%M:%S')}", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(_until_terminated(PARTS[part](seed, minutes)))
    for name, number in result.figures.items():
        print(f"  {name}: {number}")
    print(f"  {'reached' if result.reached else 'missed'}: {result.goal}, in {result.seconds:.0f} s", flush=True)
    return result


async def _until_terminated(part: Coroutine[None, None, Result]) -> Result:
    """SIGTERM cancels the part, which then ends its servers and processes and removes their folders."""
    task = asyncio.ensure_future(part)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "adsum chaos", description="Kills, freezes, empties and restarts servers and processes."
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--minutes", type=float, default=LONGEST_MINUTES, help="maximum duration of each part")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="do not write docs/reliability.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
