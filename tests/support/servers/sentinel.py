"""A primary, a replica and three Sentinels on loopback, each of which a test stops, kills, freezes and restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers.processes import eventually, free_ports, short_folder
from tests.support.servers.valkey_nodes import READY_S, ValkeyNode, running, settings_of_server

NAME = "adsum"
SENTINELS = 3
PASSWORD = "of-the-servers"
SENTINEL_PASSWORD = "of-the-sentinels"
# Seconds without an answer until a Sentinel considers the primary down.
DOWN_AFTER_S = 1.0
FAILOVER_TIMEOUT_S = 5


@dataclass
class Node(ValkeyNode):
    """A server of the group, or a Sentinel."""

    def fields(self, *words: str) -> dict[str, str]:
        """The reply to a command whose lines are names and values in turn."""
        lines = iter(self.ask(*words))
        return dict(zip(lines, lines, strict=False))

    @property
    def is_primary(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("ROLE")[:1] == ["master"]
        return False


@dataclass
class SentinelGroup:
    """Two servers, of which one is the primary, and their Sentinels."""

    servers: Sequence[Node]
    sentinels: Sequence[Node]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{NAME}?sentinel_password={SENTINEL_PASSWORD}"

    async def start(self) -> None:
        """Returns when a failover is possible."""
        for each in self.servers:
            await each.server.start()
        # A replica that a Sentinel does not see at once is seen ten seconds later.
        await eventually(lambda: "connected" in self.servers[1].ask("ROLE"), READY_S)
        for each in self.sentinels:
            await each.server.start()
        await eventually(self.is_ready, READY_S)

    def is_ready(self) -> bool:
        """Whether the replica is up to date, and each Sentinel knows it, its primary and the other Sentinels."""
        with contextlib.suppress(OSError, AssertionError):
            primary, replica = str(self.primary().port), self.replica().ask("ROLE")
            if replica[:4] == ["slave", "127.0.0.1", f":{primary}", "connected"]:
                return all(_is_ready(each, primary) for each in self.sentinels)
        return False

    def primary(self) -> Node:
        """The primary that the first Sentinel which answers names."""
        for each in self.sentinels:
            with contextlib.suppress(OSError):
                port = int(each.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
                return next(server for server in self.servers if server.port == port)
        raise AssertionError("no Sentinel answers")

    def replica(self) -> Node:
        """The server that is not the primary."""
        primary = self.primary()
        return next(each for each in self.servers if each is not primary)

    async def failed_over(self, old: ValkeyNode, seconds: float = READY_S) -> None:
        """Waits until another server is the primary."""
        await eventually(lambda: (new := self.primary()) is not old and new.is_primary, seconds)

    async def replace_primary(self) -> Node:
        """Lets the Sentinels replace the primary, which lives on as a replica. Returns the old one."""
        old = self.primary()
        await asyncio.to_thread(self.sentinels[0].ask, "SENTINEL", "FAILOVER", NAME)
        await self.failed_over(old)
        await eventually(lambda: not old.is_primary, READY_S)
        return old

    def close(self) -> None:
        for each in (*self.sentinels, *self.servers):
            each.server.close()


def _is_ready(sentinel: Node, primary: str) -> bool:
    known = sentinel.fields("SENTINEL", "MASTER", NAME)
    replica = sentinel.fields("SENTINEL", "REPLICAS", NAME)
    return (
        (known.get("flags"), known.get("port")) == ("master", primary)
        and known["num-other-sentinels"] == str(SENTINELS - 1)
        and replica.get("flags") == "slave"
    )


def running_sentinel_group() -> AbstractContextManager[SentinelGroup]:
    """A group that runs."""
    return running(sentinel_group())


@contextlib.contextmanager
def sentinel_group() -> Generator[SentinelGroup]:
    """Yields a stopped group with its own folder."""
    with short_folder() as folder:
        ports = free_ports(2 + SENTINELS)
        primary = ports[0]
        servers = [_server(folder, port, None if port == primary else primary) for port in ports[:2]]
        sentinels = [_sentinel(folder, port, primary) for port in ports[2:]]
        group = SentinelGroup(servers, sentinels)
        try:
            yield group
        finally:
            group.close()


def _server(folder: Path, port: int, primary: int | None) -> Node:
    node = Node(port, PASSWORD)
    follows = {} if primary is None else {"replicaof": f"127.0.0.1 {primary}"}
    node.serve_from(folder / f"server-{port}", settings_of_server(PASSWORD) | follows)
    return node


def _sentinel(folder: Path, port: int, primary: int) -> Node:
    settings = {
        "sentinel monitor": f"{NAME} 127.0.0.1 {primary} 2",
        "sentinel down-after-milliseconds": f"{NAME} {DOWN_AFTER_S * 1000:.0f}",
        "sentinel failover-timeout": f"{NAME} {FAILOVER_TIMEOUT_S * 1000}",
        "sentinel parallel-syncs": f"{NAME} 1",
        "sentinel auth-pass": f"{NAME} {PASSWORD}",
        "sentinel sentinel-pass": SENTINEL_PASSWORD,
        "requirepass": SENTINEL_PASSWORD,
    }
    node = Node(port, SENTINEL_PASSWORD, is_sentinel=True)
    node.serve_from(folder / f"sentinel-{port}", settings, "--sentinel")
    return node
