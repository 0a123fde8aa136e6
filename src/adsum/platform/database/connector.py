"""Opens connections to Postgres: of several hosts, to the one that accepts writes."""

from __future__ import annotations

from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has types of its own, but no marker of them

from adsum.platform.addresses import Host
from adsum.platform.database.driver import UncancelledCommits
from adsum.platform.database.urls import DatabaseUrl

_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Connector:
    """Opens connections within `timeout` seconds.

    asyncpg tries several hosts, too, but within one time limit for all: a first host that does not answer, such as a
    machine that is gone, would use it up at every attempt. Here each host has its share, and the host that was the
    primary last comes first.
    """

    def __init__(self, url: DatabaseUrl, timeout: float) -> None:
        self._hosts = list(url.hosts)
        self._options: dict[str, Any] = {"connection_class": UncancelledCommits}
        if url.session is not None:
            self._options["target_session_attrs"] = url.session
        self._timeout = timeout

    async def connect(self, **options: Any) -> Any:
        """A connection of asyncpg. Raises ConnectionError, which names the reason of each of several hosts."""
        if not self._hosts:
            return await self._connect(self._timeout, **options)
        reasons: list[str] = []
        for host in tuple(self._hosts):
            try:
                connection = await self._connect(
                    self._timeout / len(self._hosts), **options | {"host": host[0], "port": host[1]}
                )
            except _FAILURES as error:
                reasons.append(f"{host[0]}:{host[1]} {_reason(error)}")
            else:
                self._prefer(host)
                return connection
        raise ConnectionError(f"no host accepts writes: {'; '.join(reasons)}")

    async def _connect(self, timeout: float, **options: Any) -> Any:  # noqa: ASYNC109 - the driver's own
        return await cast("Any", asyncpg).connect(**options, **self._options, timeout=timeout)

    def _prefer(self, host: Host) -> None:
        self._hosts.remove(host)
        self._hosts.insert(0, host)


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "is a standby"
    if isinstance(error, TimeoutError):
        return "does not answer"
    return " ".join(str(error).split()) or type(error).__name__
