"""The cases of a round: one system in one scenario each, on its own data, checked at the end."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks import schools
from benchmarks.our_system import OurEmbeddedSystem, OurSystem
from benchmarks.peer_systems import PYTHON_PEERS, PythonPeer, SeedOnNode
from benchmarks.scenarios import http, latency, limits, worker
from benchmarks.servers import Servers, own_data
from benchmarks.sizes import Size
from benchmarks.systems import Result, System
from benchmarks.timetable import Timetable


@dataclass(frozen=True)
class Setup:
    """Servers, sizes and tokens that all cases share. The tokens belong to the schools on Postgres and on SQLite."""

    servers: Servers
    size: Size
    token: str = ""
    embedded_token: str = ""

    def timetable(self) -> Timetable:
        return Timetable(self.size.classes, self.size.big)


@dataclass(frozen=True, slots=True)
class Case:
    """One system in one scenario.

    Attributes:
        scenario, system: names, as the command line takes them.
        run: runs the case.
        measures: all measures of the case. They become void if it fails.
    """

    scenario: str
    system: str
    run: Callable[[Setup], Awaitable[Result]]
    measures: Sequence[str]


WORKER = ("worker",)
WAITING = ("worker", "waiting")
END_TO_END = ("http-64", "http-16", "lone-p50", "lone-p95", "big", "memory", "client")
COSTS = tuple(f"cpu-{name}" for name in ("api", "worker", "postgres", "valkey"))
LATENCY = tuple(latency.key(rate, name) for rate in latency.RATES for name in latency.NAMES)
EMBEDDED = ("http-64", "lone-p50", "lone-p95", "big", "memory", "idle")


def all_cases() -> list[Case]:
    """Returns all cases in the order of the first round."""
    cases = [
        Case("worker", system_class.name, _worker(system_class), WAITING) for system_class in (OurSystem, SeedOnNode)
    ]
    cases += [Case("worker", peer.name, _enqueued(peer), WORKER) for peer in PYTHON_PEERS]
    cases += [
        Case("http", system_class.name, _http(system_class), END_TO_END + COSTS)
        for system_class in (OurSystem, SeedOnNode)
    ]
    cases += [
        Case("latency", system_class.name, _latency(system_class), LATENCY) for system_class in (OurSystem, SeedOnNode)
    ]
    cases.append(Case("embedded", "embedded", _embedded, EMBEDDED))
    cases.append(Case("limits", "empty-chunks", _empty, WORKER))
    cases += [Case("limits", f"postgres-{at_once}", _rows(at_once), WORKER) for at_once in (30, 1000)]
    return cases


@asynccontextmanager
async def _system(system_class: type[OurSystem | SeedOnNode], setup: Setup) -> AsyncGenerator[System]:
    if system_class is SeedOnNode:
        async with own_data(setup.servers, schools.PEERS) as data:
            yield SeedOnNode(data, setup.timetable(), setup.servers)
    else:
        async with own_data(setup.servers, schools.OURS) as data:
            yield OurSystem(data, setup.timetable(), setup.servers, setup.token)


def _worker(system_class: type[OurSystem | SeedOnNode]) -> Callable[[Setup], Awaitable[Result]]:
    async def run(setup: Setup) -> Result:
        async with _system(system_class, setup) as system:
            return await worker.run_with_api(system, setup.size)

    return run


def _http(system_class: type[OurSystem | SeedOnNode]) -> Callable[[Setup], Awaitable[Result]]:
    async def run(setup: Setup) -> Result:
        async with _system(system_class, setup) as system:
            return await http.run(system, setup.size, setup.servers)

    return run


def _latency(system_class: type[OurSystem | SeedOnNode]) -> Callable[[Setup], Awaitable[Result]]:
    async def run(setup: Setup) -> Result:
        async with _system(system_class, setup) as system:
            return await latency.run(system, setup.size)

    return run


def _enqueued(peer: type[PythonPeer]) -> Callable[[Setup], Awaitable[Result]]:
    async def run(setup: Setup) -> Result:
        async with own_data(setup.servers, schools.PEERS) as data:
            system = peer(data, setup.timetable(), setup.servers)
            return await worker.run_enqueued(system, setup.size)

    return run


async def _embedded(setup: Setup) -> Result:
    async with own_data(setup.servers, None) as data:
        shutil.copy(setup.servers.folder / schools.EMBEDDED, data.folder / "adsum.db")
        system = OurEmbeddedSystem(data, setup.timetable(), setup.servers, setup.embedded_token)
        return await http.run_embedded(system, setup.size)


async def _empty(setup: Setup) -> Result:
    async with own_data(setup.servers, schools.PEERS) as data:
        return await limits.run_empty(limits.EmptyChunks(data, setup.timetable(), setup.servers), setup.size)


def _rows(at_once: int) -> Callable[[Setup], Awaitable[Result]]:
    async def run(setup: Setup) -> Result:
        async with own_data(setup.servers, schools.PEERS) as data:
            return await limits.run_rows(data, setup.timetable(), setup.size, at_once)

    return run
