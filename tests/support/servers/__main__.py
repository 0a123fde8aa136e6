"""`./adsum servers sentinel|cluster|standby`: runs servers whose primaries can be killed, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.support.servers.cluster import cluster as stopped_cluster
from tests.support.servers.controlled import Controlled
from tests.support.servers.sentinel import sentinel_group
from tests.support.servers.standby import Node, StandbyPair, standby_pair

LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Running:
    """Servers that are running.

    Attributes:
        setting: the line that makes Adsum use them.
        servers: each with its name.
        restarts: the sentence on what starts servers that have ended.
        primaries: returns the names of the primaries.
    """

    setting: str
    servers: Mapping[str, Controlled]
    restarts: str
    primaries: Callable[[], Collection[str]]


@asynccontextmanager
async def sentinel() -> AsyncGenerator[Running]:
    """A primary and a replica of Valkey, and three Sentinels."""
    with sentinel_group() as group:
        await group.start()
        nodes = {f"Valkey 127.0.0.1:{each.port}": each.server for each in group.servers}
        nodes |= {f"Sentinel 127.0.0.1:{each.port}": each.server for each in group.sentinels}
        setting, restarts = f"ADSUM_REDIS_URL='{group.url}'", "Enter starts what has ended."
        yield Running(setting, nodes, restarts, lambda: [f"Valkey 127.0.0.1:{group.primary().port}"])


@asynccontextmanager
async def cluster() -> AsyncGenerator[Running]:
    """A cluster of three primaries of Valkey, each with a replica."""
    with stopped_cluster() as group:
        await group.start()
        nodes = {f"Valkey 127.0.0.1:{each.port}": each.server for each in group.nodes}
        setting, restarts = f"ADSUM_REDIS_URL='{group.url}'", "Enter starts what has ended."
        yield Running(setting, nodes, restarts, lambda: [f"Valkey 127.0.0.1:{each.port}" for each in group.primaries()])


@asynccontextmanager
async def standby() -> AsyncGenerator[Running]:
    """A Postgres and its synchronous standby."""
    with standby_pair() as pair:
        await pair.start()
        nodes = {_name(each): each.server for each in pair.nodes}
        watching = asyncio.create_task(_promote(pair))
        try:
            restarts = "A primary that has ended comes back as the standby of the other one. Enter starts a standby."
            yield Running(f"ADSUM_DATABASE_URL='{pair.url}'", nodes, restarts, lambda: [_name(pair.primary)])
        finally:
            watching.cancel()


def _name(node: Node) -> str:
    return f"Postgres 127.0.0.1:{node.postgres.port}"


async def _promote(pair: StandbyPair) -> None:
    """Does what Patroni would do: promotes the standby when the primary has ended, and makes a standby of that."""
    while True:
        await asyncio.sleep(LOOK_S)
        if pair.primary.server.pid is None:
            await pair.promote()
            await pair.rejoin()


KINDS: dict[str, Callable[[], AbstractAsyncContextManager[Running]]] = {
    "sentinel": sentinel,
    "cluster": cluster,
    "standby": standby,
}


async def run(kind: str) -> None:
    """Shows the servers, and again whenever the primary changes or a server ends."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with KINDS[kind]() as running:
        shown = ""
        listening = asyncio.create_task(_start_on_enter(running)) if sys.stdin.isatty() else None
        while not stop.is_set():
            if (state := _state(running)) != shown:
                shown = state
                print(f"\n{state}\n\n{running.restarts} Ctrl-C stops everything.", flush=True)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
        if listening is not None:
            listening.cancel()


def _state(running: Running) -> str:
    try:
        primaries = running.primaries()
    except (AssertionError, OSError, StopIteration):
        primaries = []
    lines = [f"export {running.setting}", ""]
    for name, server in running.servers.items():
        what = "ended" if server.pid is None else f"kill -9 {server.pid}"
        lines.append(f"  {name:<26} {what:<18} {'primary' if name in primaries else ''}".rstrip())
    return "\n".join(lines)


async def _start_on_enter(running: Running) -> None:
    lines: asyncio.Queue[None] = asyncio.Queue()
    asyncio.get_running_loop().add_reader(sys.stdin, lambda: lines.put_nowait(None) if sys.stdin.readline() else None)
    while True:
        await lines.get()
        for server in running.servers.values():
            if server.pid is None:
                await server.start()


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser("adsum servers", description="Runs servers with standbys on loopback, for trying.")
    parser.add_argument("kind", choices=KINDS)
    asyncio.run(run(parser.parse_args().kind))
    return 0


if __name__ == "__main__":
    sys.exit(main())
