"""Valkey or Redis with Sentinels: their URL, and connections that follow the primary."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from typing_extensions import override

from adsum.platform.addresses import Host, parse_hosts, written
from adsum.platform.cancellation import closing
from adsum.platform.redis.questions import Lookup, ask_all
from adsum.platform.redis.tls import is_verified, read_flag, read_tls_options
from adsum.platform.redis.urls import split_url

PLAIN, ENCRYPTED = "redis+sentinel", "rediss+sentinel"
PORT = 26379
EXAMPLE = f"{PLAIN}://HOST:{PORT},HOST:{PORT},HOST:{PORT}/NAME"
SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password", "sentinel_ssl"})
# Seconds that a Sentinel has for a connection, and for an answer.
SENTINEL_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """The parts of a URL with Sentinels.

    Attributes:
        sentinels: host and port of each.
        name: of the primary, which the Sentinels monitor.
        options: of connections to the primary: credentials, TLS, the number of the database.
        sentinel_options: of connections to the Sentinels.
    """

    sentinels: tuple[Host, ...]
    name: str
    options: Mapping[str, Any]
    sentinel_options: Mapping[str, Any]

    @property
    def hosts(self) -> str:
        return ", ".join(map(written, self.sentinels))

    @property
    def is_verified(self) -> bool:
        """Whether all connections are encrypted, to servers that prove who they are."""
        return all(each.get("ssl", False) and is_verified(each) for each in (self.options, self.sentinel_options))


def names_sentinels(url: str) -> bool:
    """Whether a URL names Sentinels instead of a server."""
    return url.startswith((f"{PLAIN}://", f"{ENCRYPTED}://"))


async def find_primary(url: SentinelUrl) -> Host:
    """The present primary. Raises NoPrimary."""
    async with closing(_Sentinels(url)) as sentinels:
        return await sentinels.discover_master(url.name)


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Reads `redis+sentinel://[user:password@]host:26379,host:26379/name[/database][?options]`.

    Raises:
        ValueError: one line without the password.
    """
    parts = split_url(url)
    name, has_database, database = parts.path.partition("/")
    if not name:
        raise ValueError(f"the name of the primary is missing after the Sentinels: {EXAMPLE}")
    if has_database and not database.isdecimal():
        raise ValueError(f"the part after the name is not the number of a database: {EXAMPLE}/0")
    tls, of_sentinels = _options(parts.query, is_encrypted=parts.scheme == ENCRYPTED)
    options = {"db": int(database or 0), **parts.credentials, **tls}
    return SentinelUrl(
        parse_hosts(parts.hosts, PORT, "Sentinel", EXAMPLE),
        unquote(name),
        {name: value for name, value in options.items() if value != ""},
        of_sentinels,
    )


def _options(given: Mapping[str, str], *, is_encrypted: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of connections to the primary and to the Sentinels."""
    tls = read_tls_options(given, scheme=ENCRYPTED, is_encrypted=is_encrypted, others=SENTINEL_OPTIONS)
    is_sentinel_encrypted = read_flag("sentinel_ssl", given.get("sentinel_ssl", str(is_encrypted)))
    if is_sentinel_encrypted and not is_encrypted:
        raise ValueError(f"sentinel_ssl: TLS needs {ENCRYPTED}://")
    credentials = {name: given.get(f"sentinel_{name}", "") for name in ("username", "password")}
    of_sentinels = {name: value for name, value in credentials.items() if value}
    return tls, of_sentinels | (tls if is_sentinel_encrypted else {})


@dataclass(frozen=True, slots=True)
class SentinelFacts:
    """The facts about the Sentinels of a primary.

    Attributes:
        answering, silent: the Sentinels of the URL that do and do not know the primary, as `host:port`.
        known: the number of Sentinels that monitor the primary.
        no_quorum: the reason why they could not replace it now, or None.
        replicas: the number of replicas that can take its place.
    """

    answering: tuple[str, ...]
    silent: tuple[str, ...]
    known: int
    no_quorum: str | None
    replicas: int


class NoPrimary(MasterNotFoundError):
    """No Sentinel knows a primary. The text names their addresses and the reasons, and neither passwords nor keys."""


class _PrimaryConnection(SentinelManagedConnection):
    """A connection that is always opened to the present primary.

    redis-py asks the Sentinels only when the pool hands a connection out. When it sends a command once more, it opens
    the connection to the same server again, which is dead or a replica: each connection would lose one command.
    """

    @override
    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect()
        await super().send_packed_command(command, check_health)


class _EncryptedPrimaryConnection(_PrimaryConnection, SentinelManagedSSLConnection):
    pass


class PrimaryPool(SentinelConnectionPool, BlockingConnectionPool):
    """Connections to the primary that the Sentinels name. A connection whose server has become a replica is opened
    again, to the new primary; so is one that ends.
    """

    def __init__(self, url: SentinelUrl, **options: Any) -> None:
        options |= {
            **url.options,
            "connection_class": _EncryptedPrimaryConnection if "ssl" in url.options else _PrimaryConnection,
        }
        super().__init__(url.name, _Sentinels(url), **options)  # pyright: ignore[reportUnknownMemberType]

    @property
    def address(self) -> Host | None:
        """The primary that was found last."""
        return cast("Host | None", self.master_address)

    async def sentinel_facts(self) -> SentinelFacts:
        """Asks every Sentinel. Raises RedisError: none knows the primary."""
        return await cast("_Sentinels", self.sentinel_manager).facts()

    @override
    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            await cast("_Sentinels", self.sentinel_manager).aclose()


@dataclass(frozen=True, slots=True)
class _View:
    """The primary as a Sentinel sees it. `epoch` grows with each failover; `is_promoted`: one is about to end."""

    primary: Host
    epoch: int
    is_promoted: bool
    is_up: bool
    other_sentinels: int


class _Sentinels(Sentinel):
    """Asks all Sentinels at once, and believes the one with the newest configuration.

    redis-py asks them one after another. Each request has 250 ms: with a first Sentinel that is cut off, no request
    would reach the second one. A Sentinel that was cut off together with the old primary still names the old one.
    """

    def __init__(self, url: SentinelUrl) -> None:
        options = {
            "socket_timeout": SENTINEL_TIMEOUT_S,
            "socket_connect_timeout": SENTINEL_TIMEOUT_S,
            # A connection that was idle may have ended.
            "retry": Retry(NoBackoff(), 1),
            "decode_responses": True,
        }
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - it has no types
            url.sentinels, sentinel_kwargs=options | dict(url.sentinel_options)
        )
        self._url = url
        self._lookup = Lookup(self._primary)

    @override
    async def discover_master(self, service_name: str) -> Host:
        """The present primary. Raises NoPrimary."""
        return await self._lookup.result()

    async def facts(self) -> SentinelFacts:
        """The facts that the doctor checks."""
        views = await asyncio.gather(*(self._view(each) for each in self._clients), return_exceptions=True)
        answers = dict(zip(self._url.sentinels, views, strict=True))
        known = {address: view for address, view in answers.items() if not isinstance(view, BaseException)}
        if not known:
            raise _not_found(self._url, views)
        place, newest = max(known.items(), key=lambda each: each[1].epoch)
        client: Any = self._clients[self._url.sentinels.index(place)]
        try:
            no_quorum = None
            await client.execute_command("SENTINEL", "CKQUORUM", self._url.name)
        except RedisError as error:
            no_quorum = str(error)
        replicas: list[dict[str, Any]] = await client.sentinel_slaves(self._url.name)
        return SentinelFacts(
            answering=tuple(written(each) for each in known),
            silent=tuple(written(each) for each in answers if each not in known),
            known=newest.other_sentinels + 1,
            no_quorum=no_quorum,
            replicas=sum(not each["is_sdown"] and not each["is_odown"] for each in replicas),
        )

    @override
    async def aclose(self) -> None:
        try:
            await self._lookup.close()
        finally:
            await super().aclose()

    @property
    def _clients(self) -> list[Redis]:
        """The clients in the order of the URL."""
        return self.sentinels

    async def _primary(self) -> Host:
        views, errors = await ask_all(map(self._view, self._clients), lambda view: view.is_up)
        if not views:
            raise _not_found(self._url, errors)
        return max(views, key=lambda view: (view.epoch, view.is_promoted)).primary

    async def _view(self, sentinel: Redis) -> _View:
        client = cast("Any", sentinel)
        state: dict[str, Any] = await client.sentinel_master(self._url.name)
        is_up = state["is_master"] and not state["is_sdown"] and not state["is_odown"]
        # During a failover it is the server that takes the place of the primary, before the state has that.
        host, port = await client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._url.name)
        primary, is_promoted = (host, int(port)), (host, int(port)) != (state["ip"], state["port"])
        return _View(
            primary,
            epoch=state["config-epoch"],
            is_promoted=is_promoted,
            is_up=is_promoted or is_up,
            other_sentinels=state["num-other-sentinels"],
        )


def _not_found(url: SentinelUrl, outcomes: Sequence[object]) -> NoPrimary:
    errors = sorted({_reason(url, each) for each in outcomes if isinstance(each, BaseException)})
    reason = f": {'; '.join(errors)}" if errors else ", or it is down"
    return NoPrimary(f"no Sentinel of {url.hosts} knows a primary {url.name}{reason}")


def _reason(url: SentinelUrl, error: BaseException) -> str:
    """The reason why a Sentinel does not answer. If it refuses the credentials, the options of the URL to change."""
    text = " ".join(str(error).split())
    if not isinstance(error, AuthenticationError):
        return text
    if "password" not in url.sentinel_options:
        return "the Sentinels need a password: add sentinel_password=… to the URL"
    return f"the Sentinels refuse sentinel_username and sentinel_password of the URL: {text}"
