"""A Postgres and its synchronous standby on loopback. A test kills the primary and promotes the standby."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.servers.controlled import Controlled
from tests.support.servers.postgres import Postgres, as_other_user, command_of, copy_data, new_postgres
from tests.support.servers.processes import eventually, free_ports

READY_S = 30
SYNCHRONOUS = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'"


@dataclass
class Node:
    """One of the two servers."""

    postgres: Postgres
    server: Controlled = field(init=False)

    def __post_init__(self) -> None:
        self.server = Controlled(command_of(self.postgres, durable=True), self.postgres.log, self.postgres.answers)

    def is_primary(self) -> bool:
        """Whether the server accepts writes."""
        try:
            return self.postgres.ask("postgres", "SELECT pg_is_in_recovery()") == "f\n"
        except subprocess.CalledProcessError:
            return False


@dataclass
class StandbyPair:
    """Both servers, the primary first."""

    nodes: list[Node]
    database: str

    @property
    def primary(self) -> Node:
        return self.nodes[0]

    @property
    def standby(self) -> Node:
        return self.nodes[1]

    @property
    def url(self) -> str:
        hosts = ",".join(
            f"127.0.0.1:{each.postgres.port}" for each in sorted(self.nodes, key=lambda n: n.postgres.port)
        )
        return f"postgresql://postgres@{hosts}/{self.database}?target_session_attrs=read-write"

    @property
    def standby_url(self) -> str:
        """The URL of the standby alone."""
        return f"postgresql://postgres@127.0.0.1:{self.standby.postgres.port}/{self.database}"

    async def start(self) -> None:
        """Starts both. Returns when a commit waits for the standby."""
        await self.primary.server.start()
        await self._start_standby()

    async def promote(self) -> None:
        """Makes the standby the primary. Another program would have to make sure that the old one accepts no writes."""
        self.nodes.reverse()
        # It has no standby of its own now, and must not wait for one.
        await asyncio.to_thread(self.primary.postgres.run, "SELECT pg_promote()")
        await asyncio.to_thread(self._set_standbys, "")

    async def rejoin(self) -> None:
        """Makes a standby of the old primary, which was killed, with a copy of the new one."""
        old = self.standby.postgres
        await asyncio.to_thread(shutil.rmtree, old.data)
        copy = [
            str(old.programs / "pg_basebackup"),
            "-D",
            str(old.data),
            "-c",
            "fast",
            "-X",
            "stream",
            "-U",
            "postgres",
        ]
        address = ["-h", "127.0.0.1", "-p", str(self.primary.postgres.port)]
        await asyncio.to_thread(
            subprocess.run, as_other_user([*copy, *address]), check=True, capture_output=True, cwd="/"
        )
        await self._start_standby()

    async def _start_standby(self) -> None:
        follow(self.standby.postgres, self.primary.postgres)
        await self.standby.server.start()
        await asyncio.to_thread(self._set_standbys, "*")
        await eventually(lambda: self.primary.postgres.ask("postgres", SYNCHRONOUS) == "1\n", READY_S)

    def _set_standbys(self, names: str) -> None:
        setting = f"ALTER SYSTEM SET synchronous_standby_names = '{names}'"
        self.primary.postgres.ask("postgres", setting, "SELECT pg_reload_conf()")

    def close(self) -> None:
        for each in self.nodes:
            each.server.close()


def follow(standby: Postgres, primary: Postgres) -> None:
    """Lets a stopped server begin as a standby of the other."""
    owner = standby.data.stat()
    signal_file, settings = standby.data / "standby.signal", standby.data / "postgresql.auto.conf"
    settings.write_text(f"primary_conninfo = 'host=127.0.0.1 port={primary.port} user=postgres'\n")
    signal_file.touch()
    for path in (signal_file, settings):
        shutil.chown(path, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def standby_pair(data: Path | None = None, database: str = "postgres") -> Generator[StandbyPair]:
    """Yields a stopped pair. Its data are a copy, or empty."""
    with contextlib.ExitStack() as stack:
        first, second = (replace(stack.enter_context(new_postgres(data)), port=port) for port in free_ports(2))
        shutil.rmtree(second.data)
        copy_data(first.data, second.data)
        pair = StandbyPair([Node(first), Node(second)], database)
        try:
            yield pair
        finally:
            pair.close()
