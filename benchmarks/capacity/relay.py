"""Counts the bytes between two processes: relays connections to a server, on a unix socket or a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from typing_extensions import override

from benchmarks.our_system import OurSystem
from benchmarks.schools import OURS
from benchmarks.servers import Servers, own_data
from benchmarks.timetable import Timetable

PART = 65_536
POSTGRES, VALKEY = ".s.PGSQL.5432", "valkey.sock"


class Relay:
    """The bytes of both directions, over all connections."""

    def __init__(self, target: Path | int) -> None:
        self.count = 0
        self._target = target

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._target, int):
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        else:
            there, back = await asyncio.open_unix_connection(self._target)
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while part := await source.read(PART):
                self.count += len(part)
                target.write(part)
        except ConnectionError:
            pass  # the process has ended
        finally:
            target.close()


@asynccontextmanager
async def relayed_port(port: int) -> AsyncGenerator[tuple[Relay, int]]:
    """Yields a relay to a port, and its own port."""
    relay = Relay(port)
    async with await asyncio.start_server(relay.serve, "127.0.0.1", 0) as server:
        yield relay, int(server.sockets[0].getsockname()[1])


class RelayedSystem(OurSystem):
    """Adsum whose processes reach their servers over relays: each has a folder with two sockets."""

    folders: dict[str, Path]

    @override
    def _environment(self) -> dict[str, str]:
        return super()._environment() | self._servers

    _servers: dict[str, str]

    @contextmanager
    def over(self, kind: str) -> Generator[None]:
        """Processes that start in the block use the sockets of the folder of that kind."""
        folder = self.folders[kind]
        database = f"postgresql+asyncpg://postgres@/{self.data.database}?host={folder}"
        self._servers = {"ADSUM_DATABASE_URL": database, "ADSUM_REDIS_URL": f"unix://{folder / VALKEY}"}
        yield


@asynccontextmanager
async def relayed_system(
    servers: Servers, timetable: Timetable, token: str
) -> AsyncGenerator[tuple[RelayedSystem, dict[str, Relay]]]:
    """Yields a system, and its relays by connection, such as `API to Postgres`."""
    async with AsyncExitStack() as stack:
        data = await stack.enter_async_context(own_data(servers, OURS))
        system = RelayedSystem(data, timetable, servers, token)
        system.folders = {kind: data.folder / kind for kind in ("api", "worker")}
        relays: dict[str, Relay] = {}
        for kind, name in (("api", "API"), ("worker", "worker")):
            system.folders[kind].mkdir()
            targets = {
                "Postgres": (servers.postgres.folder / POSTGRES, POSTGRES),
                "Valkey": (data.valkey.socket, VALKEY),
            }
            for server, (target, socket) in targets.items():
                relay = relays[f"{name} to {server}"] = Relay(target)
                listening = await asyncio.start_unix_server(relay.serve, system.folders[kind] / socket)
                await stack.enter_async_context(listening)
        yield system, relays
