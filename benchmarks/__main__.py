"""`./adsum bench`: Adsum and its peers in turn, on servers of their own; a table of medians and ratios."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

import uvloop

from benchmarks import machine, report, schools, table
from benchmarks.figures import Figures
from benchmarks.measures import CHECKED, DURABLE
from benchmarks.our_system import forget_settings
from benchmarks.peers.environments import install_node_peer, install_python_peers
from benchmarks.servers import insist_on_durability, own_data, started_servers
from benchmarks.sizes import FULL, QUICK, Size
from benchmarks.turns import Ground, Turn, all_turns

SCENES = ("worker", "http", "embedded", "limits")
ROUNDS = 5


def main() -> int:
    """Plays; 1 where a check failed or nothing was measured."""
    parser = _parser()
    options = parser.parse_args()
    if options.quick and options.report:
        parser.error("--quick measures too little for a report")
    forget_settings()
    turns, missing = _installed(chosen(options.only))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures, versions = runner.run(played(turns, QUICK if options.quick else FULL, options.rounds))
    table.show(figures)
    if options.quick:
        print(f"\nQuick: too little to mean anything; the big batch had {QUICK.big:,} students.")
    ran_on = machine.machine()
    for line in (f"Durable. {DURABLE}", f"Checked. {CHECKED}", f"Machine. {ran_on}", f"Versions. {versions}", *missing):
        print(f"\n{line}")
    if options.report:
        when = machine.today()
        report.write(figures, rounds=options.rounds, machine=ran_on, versions=versions, when=when, missing=missing)
    return 0 if figures.are_valid else 1


def chosen(names: Sequence[str]) -> list[Turn]:
    """The turns of these scenes and systems; without a name of one kind, all of that kind."""
    turns = all_turns()
    scenes = [name for name in names if name in SCENES] or SCENES
    systems = [name for name in names if name not in SCENES] or [turn.who for turn in turns]
    return [turn for turn in turns if turn.scene in scenes and turn.who in systems]


def _installed(turns: list[Turn]) -> tuple[list[Turn], list[str]]:
    """Without those whose peer cannot be had here, and why not."""
    if any(turn.who not in ("adsum", "embedded", "seed") for turn in turns):
        install_python_peers()
    why = install_node_peer() if any(turn.who == "seed" for turn in turns) else ""
    return (
        ([turn for turn in turns if turn.who != "seed"], [f"The seed's stack on Node: {why}"]) if why else (turns, [])
    )


async def played(turns: Sequence[Turn], size: Size, rounds: int) -> tuple[Figures, str]:
    """All rounds. Each begins with another turn than the one before, so that nobody is always first."""
    figures = Figures()
    with started_servers() as servers:
        await insist_on_durability(servers)
        _say("making the schools")
        token = await schools.make_our_school(servers, size)
        embedded_token = await schools.make_our_embedded_school(servers, size)
        await schools.make_peer_school(servers, size)
        ground = Ground(servers, size, token, embedded_token)
        for number in range(rounds):
            shift = number % max(1, len(turns))
            for turn in [*turns[shift:], *turns[:shift]]:
                await play(turn, ground, figures, number, rounds)
        async with own_data(servers, None) as data:
            valkey = (await data.redis.info("server")).get("valkey_version", "unknown")
        return figures, machine.versions(servers.postgres, str(valkey))


async def play(turn: Turn, ground: Ground, figures: Figures, number: int, rounds: int) -> None:
    """One turn; whatever goes wrong makes its lines void, and the others go on."""
    began = time.monotonic()
    try:
        values, violations = await turn.play(ground)
    except Exception as error:  # noqa: BLE001 - of any system
        values, violations = {}, [f"{type(error).__name__}: {error}"]
    figures.add(number, turn.who, values)
    missing = [f"{measure} was not measured" for measure in turn.measures if measure not in values]
    if violations or missing:
        figures.void(turn.who, turn.measures, violations or missing)
    told = "; ".join(violations or missing) or "checked"
    _say(f"round {number + 1} of {rounds}: {turn.scene}, {turn.who}: {told}, {time.monotonic() - began:.0f} s")


def _say(text: str) -> None:
    print(text[:2000], file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    names = [*SCENES, *dict.fromkeys(turn.who for turn in all_turns())]
    parser = argparse.ArgumentParser("adsum bench", description="Measures Adsum beside what others run instead.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="a little of everything, for who changes the benchmark")
    parser.add_argument("--report", action="store_true", help="write docs/performance.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
