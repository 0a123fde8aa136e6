"""A cluster of Valkey or Redis: its URL, and connections that follow the owner of a slot."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from typing_extensions import override

from adsum.platform.addresses import CLUSTER, ENCRYPTED_CLUSTER, Host, parse_hosts, written
from adsum.platform.cancellation import closing
from adsum.platform.redis.questions import Lookup, ask_all
from adsum.platform.redis.slots import SLOTS
from adsum.platform.redis.tls import is_verified, read_tls_options
from adsum.platform.redis.urls import split_url

PORT = 6379
EXAMPLE = f"{CLUSTER}://HOST:{PORT},HOST:{PORT},HOST:{PORT}"
# Seconds that a server has for a connection, and for an answer about the cluster.
ANSWER_TIMEOUT_S = 1.0

Slots: TypeAlias = Sequence[Sequence[Any]]
"""The reply to CLUSTER SLOTS: first and last slot, then the primary and its replicas: endpoint, port, id."""


@dataclass(frozen=True, slots=True)
class ClusterUrl:
    """The parts of a URL of a cluster.

    Attributes:
        servers: host and port of each that is named.
        options: of all connections: credentials, TLS.
    """

    servers: tuple[Host, ...]
    options: Mapping[str, Any]

    @property
    def hosts(self) -> str:
        return ", ".join(map(written, self.servers))

    @property
    def is_verified(self) -> bool:
        """Whether all connections are encrypted, to servers that prove who they are."""
        return bool(self.options.get("ssl", False)) and is_verified(self.options)


def parse_cluster_url(url: str) -> ClusterUrl:
    """Reads `redis+cluster://[user:password@]host:6379,host:6379[/0][?options]`.

    Raises:
        ValueError: one line without the password.
    """
    parts = split_url(url)
    if parts.path not in {"", "0"}:
        raise ValueError(f"a cluster has no databases: {EXAMPLE}")
    is_encrypted = parts.scheme == ENCRYPTED_CLUSTER
    servers = parse_hosts(parts.hosts, PORT, "server", EXAMPLE)
    tls = read_tls_options(parts.query, scheme=ENCRYPTED_CLUSTER, is_encrypted=is_encrypted)
    return ClusterUrl(servers, {**parts.credentials, **tls})


class NoOwner(RedisConnectionError):
    """No server of the cluster knows the owner of a slot. The text names addresses and reasons, and no passwords."""


class _OwnerConnection(Connection):
    """A connection that is always opened to the present owner of a slot."""

    def __init__(self, *, slot: Slot, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]
        self._slot = slot

    @override
    async def connect(self) -> None:
        """The pool calls this before it hands a connection out. One to a former owner is opened again."""
        if self.is_connected and self._slot.owner not in {None, (self.host, self.port)}:
            await self.disconnect()
        await super().connect()

    @override
    async def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        if not self.is_connected:
            self.host, self.port = await self._slot.find_owner()
        await super().connect_check_health(check_health, retry_socket_connect=False)

    @override
    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Closes the connection if its server does not own the slot, so that the command is sent once more, to the
        owner. While the keys of the slot move one by one, no server has all of them (ASK, TRYAGAIN).
        """
        try:
            return cast("Any", await super().read_response(*arguments, **options))
        except (MovedError, AskError, TryAgainError, ClusterDownError) as error:
            await self.disconnect()
            raise RedisConnectionError(f"the server does not own the slot: {type(error).__name__}") from None


class _EncryptedOwnerConnection(_OwnerConnection, SSLConnection):
    pass


class OwnerPool(BlockingConnectionPool):
    """Connections to the owner of a slot."""

    def __init__(self, url: ClusterUrl, slot: int, **options: Any) -> None:
        self.slot = Slot(url, slot)
        own = {name: value for name, value in url.options.items() if name != "ssl"}
        kind = _EncryptedOwnerConnection if "ssl" in url.options else _OwnerConnection
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - it has no types
            connection_class=kind, slot=self.slot, **options, **own
        )

    @override
    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            await self.slot.close()


@dataclass(frozen=True, slots=True)
class ClusterView:
    """The cluster as one server sees it.

    Attributes:
        owner: of the slot; None: it has none.
        epoch: of the configuration in which the owner got its slots: it grows with each change.
        primaries: the number of primaries that own slots.
        servers: all of them.
        without_replica: primaries that own slots, and have no replica that could take their place.
        uncovered: the number of slots without an owner that is up.
    """

    owner: Host | None
    epoch: int
    primaries: int
    servers: Collection[Host]
    without_replica: Sequence[Host]
    uncovered: int


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The facts about a cluster.

    Attributes:
        primaries: the number of primaries.
        silent: the servers that do not answer, as `host:port`.
        without_replica: the primaries that no replica could replace, as `host:port`.
        uncovered: the number of slots without an owner that is up.
        stops_as_whole: whether all servers refuse commands while a slot has no owner; None: unknown.
    """

    primaries: int
    silent: Sequence[str]
    without_replica: Sequence[str]
    uncovered: int
    stops_as_whole: bool | None


class Slot:
    """Finds the server that owns a slot.

    All known servers are asked at once, and the answer with the newest configuration is believed: a primary that was
    cut off and replaced still believes that it owns the slot.
    """

    def __init__(self, url: ClusterUrl, slot: int) -> None:
        self._url = url
        self._slot = slot
        self._servers = frozenset(url.servers)
        self._lookup = Lookup(self._find)
        self.owner: Host | None = None

    async def find_owner(self) -> Host:
        """The present owner. Raises NoOwner."""
        return await self._lookup.result()

    async def views(self) -> dict[Host, ClusterView | BaseException]:
        """The views of all known servers, or the reason why there is none."""
        servers = sorted(self._servers)
        return dict(zip(servers, await asyncio.gather(*map(self._ask, servers), return_exceptions=True), strict=True))

    async def facts(self) -> ClusterFacts:
        """The facts that the doctor checks. Raises NoOwner: no server answers."""
        await self.find_owner()  # finds the servers that the URL does not name
        answers = await self.views()
        known = {server: view for server, view in answers.items() if isinstance(view, ClusterView)}
        if not known:
            raise self._not_found([each for each in answers.values() if isinstance(each, BaseException)])
        server, newest = max(known.items(), key=lambda each: each[1].epoch)
        return ClusterFacts(
            primaries=newest.primaries,
            silent=[written(each) for each in answers if each not in known],
            without_replica=[written(each) for each in newest.without_replica],
            uncovered=newest.uncovered,
            stops_as_whole=await self._stops_as_whole(server),
        )

    async def _stops_as_whole(self, server: Host) -> bool | None:
        try:
            async with closing(self._client(server)) as client:
                found: dict[str, str] = await client.config_get("cluster-require-full-coverage")
        except RedisError:  # hosted servers often disable CONFIG
            return None
        return found.get("cluster-require-full-coverage") == "yes"

    async def close(self) -> None:
        await self._lookup.close()

    async def _find(self) -> Host:
        views, errors = await ask_all(map(self._ask, self._servers), lambda view: view.owner is not None)
        if not views:
            raise self._not_found(errors)
        newest = max(views, key=lambda view: view.epoch)
        # The named servers stay: all others may be replaced at once.
        self._servers = frozenset(self._url.servers) | frozenset(newest.servers)
        assert newest.owner is not None, "a usable view has an owner"
        self.owner = newest.owner
        return newest.owner

    async def _ask(self, server: Host) -> ClusterView:
        async with closing(self._client(server)) as client, client.pipeline(transaction=False) as pipe:
            # As two words: redis-py would parse the replies to `CLUSTER SLOTS` and drop a part of them.
            pipe.execute_command("CLUSTER", "SLOTS")
            pipe.execute_command("CLUSTER", "NODES")
            slots, nodes = await pipe.execute()
        return _view(server, self._slot, slots, nodes)

    def _client(self, server: Host) -> Any:
        return Redis(
            host=server[0],
            port=server[1],
            protocol=2,
            decode_responses=True,
            socket_timeout=ANSWER_TIMEOUT_S,
            socket_connect_timeout=ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            **self._url.options,
        )

    def _not_found(self, errors: Iterable[BaseException]) -> NoOwner:
        reasons = sorted({" ".join(str(each).split()) for each in errors})
        reason = f": {'; '.join(reasons)}" if reasons else ", or it has none"
        return NoOwner(f"no server of {self._url.hosts} knows the owner of slot {self._slot}{reason}")


def _view(asked: Host, slot: int, slots: Slots, nodes: str) -> ClusterView:
    """Reads the replies of a server. An endpoint without a name is that of the server itself."""

    def place(server: Sequence[Any]) -> Host:
        return (str(server[0]) if server[0] not in {None, "", "?"} else asked[0], int(server[1]))

    lines = [line.split(" ") for line in nodes.splitlines() if line]
    epochs = {line[0]: int(line[6]) for line in lines}
    failed = {line[0] for line in lines if "fail" in line[2].split(",")}
    of_slot = next((primary for first, last, primary, *_ in slots if first <= slot <= last), None)
    replicas: dict[Host, bool] = {}
    for _, _, primary, *others in slots:
        replicas[place(primary)] = any(each[2] not in failed for each in others)
    covered = sum(last - first + 1 for first, last, primary, *_ in slots if primary[2] not in failed)
    return ClusterView(
        owner=None if of_slot is None else place(of_slot),
        epoch=0 if of_slot is None else epochs.get(of_slot[2], 0),
        primaries=len({primary[2] for _, _, primary, *_ in slots}),
        servers={place(server) for _, _, *servers in slots for server in servers},
        without_replica=[server for server, has_replica in replicas.items() if not has_replica],
        uncovered=SLOTS - covered,
    )
