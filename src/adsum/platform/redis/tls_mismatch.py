"""Whether the URL and its servers disagree about TLS. Drivers report a timeout then, or that the connection has ended.

Asked only after a connection has failed: it takes connections of its own, which send neither name nor password.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import AuthenticationError, BusyLoadingError, InvalidResponse, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from adsum.platform.addresses import CLUSTER, ENCRYPTED_CLUSTER, Host, names_cluster, written
from adsum.platform.redis.cluster import parse_cluster_url
from adsum.platform.redis.sentinel import (
    ENCRYPTED,
    PLAIN,
    SentinelUrl,
    find_primary,
    names_sentinels,
    parse_sentinel_url,
)

# Seconds that a server has for a connection and its first bytes.
ANSWER_TIMEOUT_S = 1.0
DEADLINE_S = 2.0
# The types of the records with which a server may answer the first one of TLS: an alert, or its part of the handshake.
_TLS_RECORDS = (b"\x15", b"\x16")
# The first bytes of a status and of an error, such as that a password is missing.
_PLAIN_REPLIES = (b"+", b"-")


@dataclass(frozen=True, slots=True)
class TlsMismatch:
    """Servers that use TLS where the URL does not, or the other way round.

    Attributes:
        problem: names the servers.
        remedy: what to change in the URL, or at the servers.
    """

    problem: str
    remedy: str


def may_be_mismatch(error: BaseException | None) -> bool:
    """Whether a connection has failed so that a mismatch may be the reason. A server that has replied is none."""
    failed = (RedisConnectionError, RedisTimeoutError, InvalidResponse, OSError, TimeoutError)
    return isinstance(error, failed) and not isinstance(error, AuthenticationError | BusyLoadingError)


async def find_mismatch(url: str) -> TlsMismatch | None:
    """The mismatch between a URL that is valid and its servers; None: there is none, or no server answers.

    Takes at most `DEADLINE_S`.
    """
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await _of_url(url)
    except TimeoutError:
        return None


async def _of_url(url: str) -> TlsMismatch | None:
    if names_sentinels(url):
        return await _of_sentinels(parse_sentinel_url(url))
    if names_cluster(url):
        cluster = parse_cluster_url(url)
        is_encrypted = "ssl" in cluster.options
        return await _compare(cluster.servers, _of_scheme(CLUSTER, ENCRYPTED_CLUSTER), is_encrypted=is_encrypted)
    options: dict[str, Any] = dict(parse_url(url))
    if "path" in options:
        return None
    server = (options.get("host", "localhost"), options.get("port", 6379))
    is_encrypted = options.get("connection_class") is SSLConnection
    return await _compare([server], _of_scheme("redis", "rediss"), is_encrypted=is_encrypted)


@dataclass(frozen=True, slots=True)
class _Remedies:
    """The remedies of a mismatch.

    Attributes:
        plain: only the URL uses TLS.
        encrypted: only the servers use TLS.
    """

    plain: str
    encrypted: str


def _of_scheme(plain: str, encrypted: str) -> _Remedies:
    return _Remedies(
        f"write a port with TLS in the URL, or {plain}:// instead of {encrypted}://",
        f"write {encrypted}:// in the URL instead of {plain}://",
    )


async def _of_sentinels(url: SentinelUrl) -> TlsMismatch | None:
    """That of the Sentinels; if they fit, that of the primary which they name."""
    is_encrypted, are_encrypted = "ssl" in url.options, "ssl" in url.sentinel_options
    of_both = _of_scheme(PLAIN, ENCRYPTED)
    of_sentinels = _Remedies(
        f"{of_both.plain}; sentinel_ssl=false, if only the primary uses TLS",
        "write sentinel_ssl=true in the URL" if is_encrypted else of_both.encrypted,
    )
    if (found := await _compare(url.sentinels, of_sentinels, is_encrypted=are_encrypted)) is not None:
        return found
    of_primary = _Remedies(
        "turn on TLS at the primary" if are_encrypted else f"write {PLAIN}:// in the URL, without sentinel_ssl",
        f"write {ENCRYPTED}:// in the URL, with sentinel_ssl=false",
    )
    try:
        primary = await find_primary(url)
    except (RedisError, OSError, TimeoutError):
        return None
    return await _compare([primary], of_primary, is_encrypted=is_encrypted)


async def _compare(servers: Sequence[Host], remedies: _Remedies, *, is_encrypted: bool) -> TlsMismatch | None:
    """Compares servers with a URL, which uses TLS or does not."""
    found = await _those(servers, _answers_plainly if is_encrypted else _uses_tls)
    if not found:
        return None
    names, is_one = ", ".join(map(written, found)), len(found) == 1
    if is_encrypted:
        return TlsMismatch(f"{names} {'does' if is_one else 'do'} not use TLS", remedies.plain)
    return TlsMismatch(f"{names} {'uses' if is_one else 'use'} TLS", remedies.encrypted)


async def _those(servers: Sequence[Host], is_one: Callable[[Host], Awaitable[bool]]) -> list[Host]:
    are = await asyncio.gather(*map(is_one, servers))
    return [server for server, is_it in zip(servers, are, strict=True) if is_it]


async def _answers_plainly(server: Host) -> bool:
    return await _first_byte(server, lambda: b"PING\r\n") in _PLAIN_REPLIES


async def _uses_tls(server: Host) -> bool:
    return await _first_byte(server, lambda: _client_hello(server[0])) in _TLS_RECORDS


def _client_hello(host: str) -> bytes:
    """The bytes with which a client begins TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(received, sent, server_hostname=host).do_handshake()
    return sent.read()


async def _first_byte(server: Host, request: Callable[[], bytes]) -> bytes:
    """The first byte of the answer; empty: there is none."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(*server)
            try:
                writer.write(request())
                return await reader.read(1)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError):  # ValueError: a name that cannot be that of a host
        return b""
