"""Measures what Adsum costs on this machine, alone, in rounds: CPU, memory, network, WAL and storage."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from statistics import median, quantiles

from benchmarks import machine, schools
from benchmarks.capacity.measured import NETWORK_RATE, Costs
from benchmarks.capacity.relay import relayed_port, relayed_system
from benchmarks.client import Connection, open_connections, send_all, send_on_schedule
from benchmarks.completions import Completions, watched_completions
from benchmarks.costs import all_cpu_seconds, resident_mb
from benchmarks.our_system import OurSystem
from benchmarks.scenarios import latency
from benchmarks.scenarios.requests import mark_classes, posts, require_accepted
from benchmarks.servers import Servers, own_data, require_durability, started_servers
from benchmarks.sizes import CLIENTS, FULL, QUICK, STUDENTS, Size
from benchmarks.timetable import Timetable

TABLES = """
    SELECT coalesce(parent::regclass::text, relname), sum(pg_total_relation_size(oid))
    FROM pg_class
    LEFT JOIN LATERAL (SELECT inhparent FROM pg_inherits WHERE inhrelid = oid) AS partition (parent) ON true
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    GROUP BY 1
"""
Values = dict[str, dict[str, float]]
"""Values of one round, in groups."""


async def measure(rounds: int, *, is_quick: bool) -> tuple[Costs, list[str]]:
    """Returns medians of all rounds, and failed checks."""
    size = replace(QUICK if is_quick else FULL, big=STUDENTS)
    violations: list[str] = []
    with started_servers() as servers:
        await require_durability(servers)
        token = await schools.make_our_school(servers, size)
        measured: list[Values] = []
        for number in range(rounds):
            begin = time.monotonic()
            violations += await _round(servers, token, size, measured)
            _log(f"round {number + 1} of {rounds}: {time.monotonic() - begin:.0f} s")
        network, found = await _network(servers, token, size)
        violations += found
        async with own_data(servers, None) as data:
            version = str((await data.redis.info("server")).get("valkey_version", "unknown"))
        versions = machine.versions(servers.postgres, version).partition(", Node")[0]
    medians = {group: _medians([each[group] for each in measured]) for group in measured[0]}
    return _costs(medians, network, rounds, versions), violations


def _costs(medians: Values, network: dict[str, float], rounds: int, versions: str) -> Costs:
    single = medians["single"]
    return Costs(
        when=machine.today(),
        machine=machine.machine(),
        versions=versions,
        rounds=rounds,
        network=network,
        accepted_s=list(medians["accepted_s"].values()),
        recorded_s=list(medians["recorded_s"].values()),
        accept_lone=medians["accept_lone"],
        accept_flood=medians["accept_flood"],
        record_flood=medians["record_flood"],
        lone=medians["lone"],
        tables=medians["tables"],
        memory=medians["memory"],
        served=medians["served"],
        **single,
    )


def _medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(each[name] for each in rounds if name in each) for name in rounds[0]}


async def _round(servers: Servers, token: str, size: Size, measured: list[Values]) -> list[str]:
    async with own_data(servers, schools.OURS) as data:
        system = OurSystem(data, Timetable(size.classes, size.big), servers, token)
        measuring = _Measuring(system, servers, size)
        measured.append(await measuring.measure())
        return await system.violations()


class _Measuring:
    """One round on fresh data: accepting, recording, both for one class at a time, with 64 clients, and at rates."""

    def __init__(self, system: OurSystem, servers: Servers, size: Size) -> None:
        self._system = system
        self._servers = servers
        self._size = size
        self._values: Values = defaultdict(dict)
        self._port = 0
        self._connections: Sequence[Connection] = ()

    async def measure(self) -> Values:
        with ExitStack() as stack:
            self._port = stack.enter_context(self._system.with_api())
            self._connections = stack.enter_context(open_connections(self._port, latency.CONNECTIONS))
            await mark_classes(self._system, self._connections[:1], self._port, self._size.warm)
            await self._accept()
            stack.enter_context(self._system.with_worker())
            await self._record_queued()
            async with watched_completions(self._system.data.redis) as completions:
                await self._lone(completions)
                await self._saturate()
                await self._offer(completions)
            self._values["memory"] = self._memory()
        return dict(self._values)

    def _cpu(self) -> dict[str, float]:
        pids = {"postgres": self._servers.postmaster, "valkey": self._system.data.valkey_pid}
        return all_cpu_seconds(self._system.processes | pids) | {"client": time.process_time()}

    def _note_cpu(self, group: str, before: dict[str, float], classes: float) -> None:
        self._values[group] = {name: (value - before[name]) / classes for name, value in self._cpu().items()}

    async def _accept(self) -> None:
        """Without a worker: one client, then 64."""
        before = self._cpu()
        requests = posts(self._system, self._port, self._system.timetable.take(self._size.lone))
        require_accepted(await send_all(self._connections[:1], requests))
        self._note_cpu("accept_lone", before, len(requests))
        memory, before, count = await self._used_memory(), self._cpu(), self._size.flood["adsum"]
        await mark_classes(self._system, self._connections[: max(CLIENTS)], self._port, count)
        self._note_cpu("accept_flood", before, count)
        self._values["single"]["waiting"] = (await self._used_memory() - memory) / count

    async def _record_queued(self) -> None:
        recorded, before = await self._system.written(), self._cpu()
        await self._system.wait_until_done()
        self._note_cpu("record_flood", before, (self._system.timetable.rows - recorded) / STUDENTS)

    async def _lone(self, completions: Completions) -> None:
        before, accepting, recording = self._cpu(), list[float](), list[float]()
        batches = self._system.timetable.take(self._size.lone)
        for batch, request in zip(batches, posts(self._system, self._port, batches), strict=True):
            begin = time.perf_counter()
            require_accepted([await self._connections[0].send(request)])
            answered = time.perf_counter()
            (completed,) = await completions.times_of([batch])
            accepting.append(answered - begin)
            recording.append(max(0.0, completed - answered))
        self._note_cpu("lone", before, len(batches))
        self._values["accepted_s"], self._values["recorded_s"] = _percentiles(accepting), _percentiles(recording)

    async def _saturate(self) -> None:
        count, memory, storage, wal = self._size.flood["adsum"], *(await self._used()), await self._wal()
        begin = time.perf_counter()
        await mark_classes(self._system, self._connections[: max(CLIENTS)], self._port, count)
        await self._system.wait_until_done()
        self._values["served"]["saturated"] = count * STUDENTS / (time.perf_counter() - begin)
        marker, grown = await self._used()
        rows = count * STUDENTS
        self._values["single"] |= {
            "marker": (marker - memory) / count,
            "wal": (await self._wal() - wal) / rows,
            "storage": sum(grown.values()) - sum(storage.values()),
        }
        self._values["single"]["storage"] /= rows
        growth = {name: (size - storage.get(name, 0)) / rows for name, size in grown.items()}
        self._values["tables"] = {name: value for name, value in growth.items() if value >= 1}

    async def _offer(self, completions: Completions) -> None:
        for rate in latency.RATES:
            before = sum(self._cpu().values())
            values = await latency.offer(self._system, self._connections, completions, self._port, self._size, rate)
            values["cpu"] = (sum(self._cpu().values()) - before) / latency.classes_at(rate, self._size) * 1e3
            self._values["served"] |= {latency.key(rate, name): value for name, value in values.items()}

    async def _used(self) -> tuple[int, dict[str, int]]:
        tables = await self._system.query(TABLES)
        return await self._used_memory(), {str(name): int(size) for name, size in tables}

    async def _used_memory(self) -> int:
        return int((await self._system.data.redis.info("memory"))["used_memory"])

    async def _wal(self) -> int:
        ((position,),) = await self._system.query("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint")
        return int(position)

    def _memory(self) -> dict[str, float]:
        return {name: resident_mb(pid) for name, pid in self._system.processes.items()}


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """From 0 to 100."""
    cuts = [min(seconds), *quantiles(seconds, n=100, method="inclusive"), max(seconds)]
    return {f"{percent}": value for percent, value in enumerate(cuts)}


async def _network(servers: Servers, token: str, size: Size) -> tuple[dict[str, float], list[str]]:
    """Returns the bytes of a class by connection, and failed checks. The relays cost time, so that nothing else is
    measured here.
    """
    async with AsyncExitStack() as stack:
        timetable = Timetable(size.classes, size.big)
        system, relays = await stack.enter_async_context(relayed_system(servers, timetable, token))
        # In threads, since a process that starts needs the relays, which this thread serves.
        system.use_sockets_of("worker")
        await asyncio.to_thread(stack.enter_context, system.with_worker())
        system.use_sockets_of("api")
        api = await asyncio.to_thread(stack.enter_context, system.with_api())
        relays["client to API"], port = await stack.enter_async_context(relayed_port(api))
        connections = stack.enter_context(open_connections(port, latency.CONNECTIONS))
        await mark_classes(system, connections[:1], port, size.warm)
        await system.wait_until_done()
        before = {name: relay.count for name, relay in relays.items()}
        count = size.paced_least
        requests = posts(system, port, timetable.take(count))
        schedule = latency.arrivals(NETWORK_RATE, count)
        require_accepted([each.response for each in await send_on_schedule(connections, requests, schedule)])
        await system.wait_until_done()
        counted = {name: (relay.count - before[name]) / count for name, relay in relays.items()}
        return counted, await system.violations()


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
