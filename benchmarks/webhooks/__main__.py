"""`python -m benchmarks.webhooks [PART …]`: speed, throughput, backlog."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine

import uvloop

from benchmarks.machine import machine
from benchmarks.our_system import clear_settings
from benchmarks.webhooks import backlog, speed, throughput

PARTS = ("speed", "throughput", "backlog")


def main() -> int:
    """Runs the parts. Returns 1 if a check failed."""
    options = _parser().parse_args()
    clear_settings()
    print(machine())
    works: dict[str, Coroutine[None, None, list[str]]] = {
        "speed": speed.measure(),
        "throughput": throughput.measure(options.batches, options.rounds),
        "backlog": backlog.measure(options.events, options.rounds),
    }
    failed: list[str] = []
    for part, work in works.items():
        if part not in (options.parts or PARTS):
            work.close()
            continue
        print(f"\n{part}", flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            violations = runner.run(work)
        print(*(violations[:20] or ["checked"]), sep="\n", flush=True)
        failed += violations
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks.webhooks", description="Measures events and webhooks.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=5, help="of throughput and backlog")
    parser.add_argument("--batches", type=int, default=3_000, help="of a measurement of throughput")
    parser.add_argument("--events", type=int, default=200_000, help="of the backlog")
    return parser


if __name__ == "__main__":
    sys.exit(main())
