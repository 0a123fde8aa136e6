"""`python -m benchmarks.capacity`: prints the plan; `--measure` measures its costs first, `--write` writes the pages.

It measures Adsum alone: less than five minutes for three rounds on two idle cores.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

import uvloop

from benchmarks.capacity import measured, report
from benchmarks.capacity.measure import measure
from benchmarks.our_system import clear_settings

ROUNDS = 3


def main() -> int:
    """Returns 1 if a check failed; then nothing is written."""
    parser = argparse.ArgumentParser("python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the costs, instead of docs/capacity.json")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="measure a small sample, to test the benchmark itself")
    parser.add_argument("--write", action="store_true", help="write docs/capacity.md and docs/capacity.json")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("--quick measures too little for a page")
    costs, violations = _measured(options) if options.measure else (measured.load(), [])
    if violations:
        print(*violations[:20], sep="\n", file=sys.stderr)
        return 1
    if options.write:
        measured.save(costs)
        costs = measured.load()  # as any later page
    page = report.page(costs)
    if options.write:
        report.PAGE.write_text(page, encoding="utf-8")
    print(page)
    return 0


def _measured(options: argparse.Namespace) -> tuple[measured.Costs, list[str]]:
    clear_settings()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure(options.rounds, is_quick=options.quick))


if __name__ == "__main__":
    sys.exit(main())
