"""The turns of a round: each one system in one scene, on data of its own, checked at its end."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks import schools
from benchmarks.our_system import OurEmbeddedSystem, OurSystem
from benchmarks.peer_systems import PYTHON_PEERS, PythonPeer, SeedOnNode
from benchmarks.scenes import http, limits, worker
from benchmarks.servers import Servers, own_data
from benchmarks.sizes import Size
from benchmarks.systems import Outcome, System
from benchmarks.timetable import Timetable


@dataclass(frozen=True)
class Ground:
    """What every turn stands on; the tokens are of the schools on Postgres and on SQLite."""

    servers: Servers
    size: Size
    token: str = ""
    embedded_token: str = ""

    def timetable(self) -> Timetable:
        return Timetable(self.size.classes, self.size.big)


@dataclass(frozen=True, slots=True)
class Turn:
    """Attributes:
    scene, who: what is played, and by whom.
    play: plays it.
    measures: what it is to measure, all of which is void if it fails.
    """

    scene: str
    who: str
    play: Callable[[Ground], Awaitable[Outcome]]
    measures: Sequence[str]


WORKER = ("worker",)
WAITING = ("worker", "waiting")
END_TO_END = ("http-64", "http-16", "accept-p50", "accept-p99", "lone-p50", "lone-p95", "big", "memory", "client")
COSTS = tuple(f"cpu-{name}" for name in ("api", "worker", "postgres", "valkey"))
EMBEDDED = ("http-64", "lone-p50", "lone-p95", "big", "memory", "idle")


def all_turns() -> list[Turn]:
    """In the order of the first round."""
    turns = [Turn("worker", who.name, _worker(who), WAITING) for who in (OurSystem, SeedOnNode)]
    turns += [Turn("worker", peer.name, _enqueued(peer), WORKER) for peer in PYTHON_PEERS]
    turns += [Turn("http", who.name, _http(who), END_TO_END + COSTS) for who in (OurSystem, SeedOnNode)]
    turns.append(Turn("embedded", "embedded", _embedded, EMBEDDED))
    turns.append(Turn("limits", "empty-chunks", _empty, WORKER))
    turns += [Turn("limits", f"postgres-{at_once}", _rows(at_once), WORKER) for at_once in (30, 1000)]
    return turns


@asynccontextmanager
async def _system(who: type[OurSystem | SeedOnNode], ground: Ground) -> AsyncGenerator[System]:
    if who is SeedOnNode:
        async with own_data(ground.servers, schools.PEERS) as data:
            yield SeedOnNode(data, ground.timetable(), ground.servers)
    else:
        async with own_data(ground.servers, schools.OURS) as data:
            yield OurSystem(data, ground.timetable(), ground.servers, ground.token)


def _worker(who: type[OurSystem | SeedOnNode]) -> Callable[[Ground], Awaitable[Outcome]]:
    async def play(ground: Ground) -> Outcome:
        async with _system(who, ground) as system:
            return await worker.play_with_api(system, ground.size)

    return play


def _http(who: type[OurSystem | SeedOnNode]) -> Callable[[Ground], Awaitable[Outcome]]:
    async def play(ground: Ground) -> Outcome:
        async with _system(who, ground) as system:
            return await http.play(system, ground.size, ground.servers)

    return play


def _enqueued(peer: type[PythonPeer]) -> Callable[[Ground], Awaitable[Outcome]]:
    async def play(ground: Ground) -> Outcome:
        async with own_data(ground.servers, schools.PEERS) as data:
            system = peer(data, ground.timetable(), ground.servers)
            return await worker.play_enqueued(system, ground.size)

    return play


async def _embedded(ground: Ground) -> Outcome:
    async with own_data(ground.servers, None) as data:
        shutil.copy(ground.servers.folder / schools.EMBEDDED, data.folder / "adsum.db")
        system = OurEmbeddedSystem(data, ground.timetable(), ground.servers, ground.embedded_token)
        return await http.play_embedded(system, ground.size)


async def _empty(ground: Ground) -> Outcome:
    async with own_data(ground.servers, schools.PEERS) as data:
        return await limits.play_empty(limits.EmptyChunks(data, ground.timetable(), ground.servers), ground.size)


def _rows(at_once: int) -> Callable[[Ground], Awaitable[Outcome]]:
    async def play(ground: Ground) -> Outcome:
        async with own_data(ground.servers, schools.PEERS) as data:
            return await limits.play_rows(data, ground.timetable(), ground.size, at_once)

    return play
