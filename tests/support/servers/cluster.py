"""A cluster of primaries with a replica each on loopback, whose servers a test stops, kills, freezes and restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.support.servers.processes import eventually, free_ports, short_folder
from tests.support.servers.valkey_nodes import READY_S, ValkeyNode, running, settings_of_server

PASSWORD = "of-the-cluster"
PRIMARIES = 3
# Milliseconds without an answer until a server is considered down: soon, and never on a busy machine.
NODE_TIMEOUT_MS = 1000
PATIENT_MS = 15_000
SLOTS = 16384


@dataclass
class Node(ValkeyNode):
    """A server of the cluster."""

    id: str

    def nodes(self) -> dict[str, list[str]]:
        """The fields of CLUSTER NODES, by the id of each server."""
        return {(fields := line.split())[0]: fields for line in self.ask("CLUSTER", "NODES") if " " in line}

    @property
    def is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return "cluster_state:ok" in self.ask("CLUSTER", "INFO")
        return False

    @property
    def is_synced(self) -> bool:
        """Whether it is a primary, or a replica that follows one."""
        with contextlib.suppress(OSError):
            role = self.ask("ROLE")
            return role[:1] == ["master"] or "connected" in role
        return False


@dataclass
class Cluster:
    """Servers of one cluster."""

    nodes: Sequence[Node]

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.nodes[:PRIMARIES])
        return f"redis+cluster://:{PASSWORD}@{hosts}"

    async def start(self) -> None:
        """Returns when each slot has an owner with a replica."""
        for each in self.nodes:
            await each.server.start()
        await eventually(lambda: all(each.is_ready and each.is_synced for each in self.nodes), READY_S)

    def owner_of(self, slot: int) -> Node:
        """The primary that owns a slot, by the newest configuration that a server knows."""
        newest: tuple[int, Node] | None = None
        for asked in self.nodes:
            with contextlib.suppress(OSError):
                for node_id, fields in asked.nodes().items():
                    ranges = [each.split("-") for each in fields[8:] if not each.startswith("[")]
                    if any(int(each[0]) <= slot <= int(each[-1]) for each in ranges):
                        found = (int(fields[6]), next(node for node in self.nodes if node.id == node_id))
                        newest = max(newest or found, found, key=lambda each: each[0])
        assert newest is not None, "no server answers"
        return newest[1]

    def primaries(self) -> list[Node]:
        """The servers that own slots."""
        return list({(node := self.owner_of(slot)).id: node for slot in (0, SLOTS // 2, SLOTS - 1)}.values())

    def replica_of(self, primary: Node) -> Node:
        """A replica of a primary that is up."""
        fields = primary.nodes()
        return next(each for each in self.nodes if fields[each.id][3] == primary.id)

    def _knows_replica(self, primary: Node) -> bool:
        """Servers tell each other by gossip, some time after a replica has the data of its primary."""
        return any(fields[3] == primary.id for fields in primary.nodes().values())

    async def failed_over(self, slot: int, old: ValkeyNode, seconds: float = READY_S) -> None:
        """Waits until another server owns a slot."""
        await eventually(lambda: self.owner_of(slot) is not old, seconds)

    async def replace_owner(self, slot: int) -> Node:
        """Lets the replica of a slot's owner take its place. Returns the old owner, which lives on as a replica."""
        old = self.owner_of(slot)
        await eventually(lambda: self._knows_replica(old), READY_S)
        await asyncio.to_thread(self.replica_of(old).ask, "CLUSTER", "FAILOVER")
        await self.failed_over(slot, old)
        return old

    async def move(self, slot: int) -> Node:
        """Moves a slot to another primary at once, as Valkey 9 does. Returns its new owner."""
        old, new = self._between(slot)
        assert old.ask("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", str(slot), str(slot), "NODE", new.id) == ["+OK"]
        await eventually(lambda: self.owner_of(slot) is new, READY_S)
        return new

    async def move_key_by_key(self, slot: int) -> Node:
        """Moves a slot as older servers do: its keys one after another. Returns its new owner."""
        old, new = self._between(slot)
        new.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", old.id)
        old.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", new.id)
        await asyncio.to_thread(self._move_keys, slot, old, new)
        for each in (new, old):
            assert each.ask("CLUSTER", "SETSLOT", str(slot), "NODE", new.id) == ["+OK"]
        await eventually(lambda: self.owner_of(slot) is new, READY_S)
        return new

    def _move_keys(self, slot: int, old: Node, new: Node) -> None:
        while keys := old.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "1"):
            moved = old.ask("MIGRATE", "127.0.0.1", str(new.port), keys[0], "0", "5000", "AUTH", PASSWORD)
            assert moved in (["+OK"], ["+NOKEY"]), moved

    def _between(self, slot: int) -> tuple[Node, Node]:
        """The owner of a slot, and another primary."""
        old = self.owner_of(slot)
        fields = old.nodes()
        return old, next(each for each in self.nodes if each is not old and "master" in fields[each.id][2].split(","))

    async def recovered(self) -> None:
        """Waits until each server is up, and each primary has its replica."""
        await eventually(lambda: all(each.is_ready and each.is_synced for each in self.nodes), READY_S)

    def close(self) -> None:
        for each in self.nodes:
            each.server.close()


def running_cluster(node_timeout: int = NODE_TIMEOUT_MS) -> AbstractContextManager[Cluster]:
    """A cluster that runs."""
    return running(cluster(node_timeout=node_timeout))


@contextlib.contextmanager
def cluster(
    primaries: int = PRIMARIES, *, node_timeout: int = NODE_TIMEOUT_MS, has_replicas: bool = True
) -> Generator[Cluster]:
    """Yields a stopped cluster with its own folder."""
    with short_folder() as folder:
        servers = 2 * primaries if has_replicas else primaries
        ports = free_ports(2 * servers)
        nodes = [Node(port, PASSWORD, f"{number:040x}") for number, port in enumerate(ports[:servers], 1)]
        buses = ports[servers:]
        for node, bus in zip(nodes, buses, strict=True):
            home = folder / f"server-{node.port}"
            home.mkdir()
            (home / "nodes.conf").write_text(_configuration_of_cluster(nodes, buses, node, primaries))
            node.serve_from(home, _settings(bus, node_timeout))
        made = Cluster(nodes)
        try:
            yield made
        finally:
            made.close()


def _configuration_of_cluster(nodes: Sequence[Node], buses: Sequence[int], own: Node, primaries: int) -> str:
    """The file in which a server keeps what it knows of the cluster: with it, servers need not be introduced."""
    lines = list[str]()
    for number, (node, bus) in enumerate(zip(nodes, buses, strict=True)):
        myself = "myself," if node is own else ""
        place = f"{node.id} 127.0.0.1:{node.port}@{bus}"
        if number < primaries:
            first, last = number * SLOTS // primaries, (number + 1) * SLOTS // primaries - 1
            lines.append(f"{place} {myself}master - 0 0 {number + 1} connected {first}-{last}")
        else:
            primary = nodes[number - primaries]
            epoch = number - primaries + 1
            lines.append(f"{place} {myself}slave {primary.id} 0 0 {epoch} connected")
    return "\n".join([*lines, f"vars currentEpoch {primaries} lastVoteEpoch 0", ""])


def _settings(bus: int, node_timeout: int) -> dict[str, str]:
    return settings_of_server(PASSWORD) | {
        "cluster-enabled": "yes",
        "cluster-config-file": "nodes.conf",
        "cluster-port": str(bus),
        "cluster-node-timeout": str(node_timeout),
        # The other shards work while one has no server.
        "cluster-require-full-coverage": "no",
        "cluster-replica-validity-factor": "0",
        "cluster-allow-replica-migration": "no",
    }
