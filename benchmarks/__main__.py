"""`./adsum bench`: runs Adsum and its peers one after another on their own servers, and prints medians and ratios."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

import uvloop

from benchmarks import curve, machine, report, schools, table
from benchmarks.cases import Case, Setup, all_cases
from benchmarks.figures import Figures
from benchmarks.measures import CHECKED, DURABLE
from benchmarks.our_system import clear_settings
from benchmarks.peers.environments import install_node_peer, install_python_peers
from benchmarks.servers import own_data, require_durability, started_servers
from benchmarks.sizes import FULL, QUICK, Size

SCENARIOS = ("worker", "http", "latency", "embedded", "limits")
ROUNDS = 5


def main() -> int:
    """Runs the benchmark. Returns 1 if a check failed or nothing was measured."""
    parser = _parser()
    options = parser.parse_args()
    if options.quick and options.report:
        parser.error("--quick measures too little for a report")
    clear_settings()
    cases, missing = _installed(select_cases(options.only))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures, versions = runner.run(run_rounds(cases, QUICK if options.quick else FULL, options.rounds))
    table.show(figures)
    curve.show(figures)
    if options.quick:
        print(f"\nQuick: the figures are not representative; the big batch had {QUICK.big:,} students.")
    ran_on = machine.machine()
    for line in (f"Durable. {DURABLE}", f"Checked. {CHECKED}", f"Machine. {ran_on}", f"Versions. {versions}", *missing):
        print(f"\n{line}")
    if options.report:
        report.write(figures, report.Run(options.rounds, ran_on, versions, machine.today(), missing))
    return 0 if figures.are_valid else 1


def select_cases(names: Sequence[str]) -> list[Case]:
    """Returns the cases of the named scenarios and systems. Without a scenario or a system, selects all of them."""
    cases = all_cases()
    scenarios = [name for name in names if name in SCENARIOS] or SCENARIOS
    systems = [name for name in names if name not in SCENARIOS] or [case.system for case in cases]
    return [case for case in cases if case.scenario in scenarios and case.system in systems]


def _installed(cases: list[Case]) -> tuple[list[Case], list[str]]:
    """Installs the peers. Returns the cases whose peer is available, and a reason for each peer that is not."""
    if any(case.system not in ("adsum", "embedded", "seed") for case in cases):
        install_python_peers()
    why = install_node_peer() if any(case.system == "seed" for case in cases) else ""
    return (
        ([case for case in cases if case.system != "seed"], [f"The seed's stack on Node: {why}"])
        if why
        else (cases, [])
    )


async def run_rounds(cases: Sequence[Case], size: Size, rounds: int) -> tuple[Figures, str]:
    """Runs all rounds. Each round starts with a different case, so that no system always runs first."""
    figures = Figures()
    with started_servers() as servers:
        await require_durability(servers)
        _log("creating the schools")
        token = await schools.make_our_school(servers, size)
        embedded_token = await schools.make_our_embedded_school(servers, size)
        await schools.make_peer_school(servers, size)
        setup = Setup(servers, size, token, embedded_token)
        for number in range(rounds):
            shift = number % max(1, len(cases))
            for case in [*cases[shift:], *cases[:shift]]:
                await run_case(case, setup, figures, number, rounds)
        async with own_data(servers, None) as data:
            valkey = (await data.redis.info("server")).get("valkey_version", "unknown")
        return figures, machine.versions(servers.postgres, str(valkey))


async def run_case(case: Case, setup: Setup, figures: Figures, number: int, rounds: int) -> None:
    """Runs one case. An exception voids its figures; the other cases continue."""
    began = time.monotonic()
    try:
        values, violations = await case.run(setup)
    except Exception as error:  # noqa: BLE001 - any system may fail in any way
        values, violations = {}, [f"{type(error).__name__}: {error}"]
    figures.add(number, case.system, values)
    missing = [f"{measure} was not measured" for measure in case.measures if measure not in values]
    if violations or missing:
        figures.void(case.system, case.measures, violations or missing)
    outcome = "; ".join(violations or missing) or "checked"
    _log(f"round {number + 1} of {rounds}: {case.scenario}, {case.system}: {outcome}, {time.monotonic() - began:.0f} s")


def _log(text: str) -> None:
    print(text[:2000], file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    names = [*SCENARIOS, *dict.fromkeys(case.system for case in all_cases())]
    parser = argparse.ArgumentParser("adsum bench", description="Measures Adsum and its alternatives.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--quick", action="store_true", help="run a small sample of each case, to test the benchmark itself"
    )
    parser.add_argument("--report", action="store_true", help="write docs/performance.md and docs/latency.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
