"""Counts the bytes between two processes: relays connections to a server, on a unix socket or a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from typing_extensions import override

from benchmarks.our_system import OurSystem
from benchmarks.schools import OURS
from benchmarks.servers import Data, Servers, own_data
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
    """Adsum whose processes reach their servers over relays: each kind has a folder with two sockets."""

    def __init__(self, data: Data, timetable: Timetable, servers: Servers, token: str) -> None:
        super().__init__(data, timetable, servers, token)
        self._sockets = data.folder

    def folder_of(self, kind: str) -> Path:
        return self.data.folder / kind

    def use_sockets_of(self, kind: str) -> None:
        """Processes that start from now on use the folder of this kind."""
        self._sockets = self.folder_of(kind)

    @override
    def _environment(self) -> dict[str, str]:
        database = f"postgresql+asyncpg://postgres@/{self.data.database}?host={self._sockets}"
        servers = {"ADSUM_DATABASE_URL": database, "ADSUM_REDIS_URL": f"unix://{self._sockets / VALKEY}"}
        return super()._environment() | servers


@asynccontextmanager
async def relayed_system(
    servers: Servers, timetable: Timetable, token: str
) -> AsyncGenerator[tuple[RelayedSystem, dict[str, Relay]]]:
    """Yields a system, and its relays by connection, such as `API to Postgres`."""
    async with AsyncExitStack() as stack:
        data = await stack.enter_async_context(own_data(servers, OURS))
        system = RelayedSystem(data, timetable, servers, token)
        relays: dict[str, Relay] = {}
        for kind, name in (("api", "API"), ("worker", "worker")):
            system.folder_of(kind).mkdir()
            targets = {
                "Postgres": (servers.postgres.folder / POSTGRES, POSTGRES),
                "Valkey": (data.valkey.socket, VALKEY),
            }
            for server, (target, socket) in targets.items():
                relay = relays[f"{name} to {server}"] = Relay(target)
                listening = await asyncio.start_unix_server(relay.serve, system.folder_of(kind) / socket)
                await stack.enter_async_context(listening)
        yield system, relays
