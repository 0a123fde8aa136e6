"""Opens connections to Postgres or to a pooler in front of it: of several hosts, to the one that accepts writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - it has types of its own, but no marker of them
from sqlalchemy.util.concurrency import await_

from adsum.platform.addresses import Host
from adsum.platform.database.driver import PooledConnection, UncancelledCommits
from adsum.platform.database.urls import DatabaseUrl

_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
# Of PgBouncer, for a setting that it cannot keep apart for its clients.
_UNSUPPORTED_SETTING = "unsupported startup parameter"
# Whether a session fits `target_session_attrs`.
_SESSION_CHECKS = {
    "primary": "SELECT WHERE NOT pg_is_in_recovery()",
    "read-write": "SELECT WHERE NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'",
}
_ONE_ROW = "SELECT 1"  # the reply of the server
# Of asyncpg, and the end of an error of Postgres, which may allow connections with TLS alone.
_REJECTED_TLS, _NOT_ENCRYPTED = "rejected SSL upgrade", "no encryption"


# A process that freezes in a transaction keeps its row locks until Postgres ends its session.
IDLE_IN_TRANSACTION_TIMEOUT_S = 10
# A statement that waits for a lock ends that long after its client has left. Otherwise it is executed afterwards.
CLIENT_CHECK_INTERVAL_S = 2


_CLIENT_CHECK = "client_connection_check_interval"


def begin_behind_pooler(begin: str, *, ends_left: bool) -> str:
    """`begin` with the settings for the transaction. Those of a session would reach other clients of the pooler."""
    settings = _settings(ends_left=ends_left)
    return "; ".join([begin, *(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())])


def _settings(*, ends_left: bool) -> dict[str, str]:
    checks = {_CLIENT_CHECK: f"{CLIENT_CHECK_INTERVAL_S}s"} if ends_left else {}
    return {"idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT_S}s", **checks}


class Connector:
    """Opens connections within `timeout` seconds.

    asyncpg tries several hosts, too, but within one time limit for all: a first host that does not answer, such as a
    machine that is gone, would use it up at every attempt. Here each host has its share, and the host that was the
    primary last comes first.

    A pooler is recognised by the number of the server process: it tells its clients another one, because it has to
    find the connection that a client cancels. See docs/decisions/0062.

    A server whose system does not tell it that a client has left (Windows; of Postgres 14, all but Linux) refuses to
    check it. Its connections are opened without: `ends_left` of them is false.
    """

    def __init__(self, url: DatabaseUrl, timeout: float) -> None:
        self._hosts = list(url.hosts)
        self._session = url.session
        self._sslmode = url.url.query.get("ssl")
        self._timeout = timeout
        self._is_pooled = False
        self._ends_left = True

    def do_connect(self, dialect: Any, _record: object, args: Any, options: dict[str, Any]) -> Any:
        """Connects for SQLAlchemy, which prepares no statements for longer than a transaction behind a pooler."""
        size = options.pop("prepared_statement_cache_size", None)
        connection = await_(self.connect(**options))
        adapter = {} if size is None else {"prepared_statement_cache_size": size}
        if connection.is_pooled:
            adapter = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}  # an empty name

        async def opened() -> Any:
            return connection

        return dialect.connect(*args, async_creator_fn=opened, **adapter)

    async def connect(self, **options: Any) -> Any:
        """A connection of asyncpg. Raises ConnectionError, which names the reason of each of several hosts, or that the
        only one is a standby or does not use TLS as the URL does.

        One behind a pooler is in a transaction, which `end_opening` ends.
        """
        if not self._hosts:
            return await self._open_only(options)
        reasons: list[str] = []
        for host in tuple(self._hosts):
            try:
                timeout, address = self._timeout / len(self._hosts), {"host": host[0], "port": host[1]}
                connection = await self._open(timeout, options | address)
            except _FAILURES as error:
                reasons.append(f"{host[0]}:{host[1]} {self._reason_of_tls(error) or _reason(error)}")
            else:
                self._prefer(host)
                return connection
        raise ConnectionError(f"no host accepts writes: {'; '.join(reasons)}")

    async def _open_only(self, options: Mapping[str, Any]) -> Any:
        try:
            return await self._open(self._timeout, options)
        except asyncpg.TargetServerAttributeNotMatched as error:
            raise ConnectionError(f"the host accepts no writes: it {_reason(error)}") from None
        except (ConnectionError, asyncpg.PostgresError) as error:
            if (reason := self._reason_of_tls(error)) is None:
                raise
            raise ConnectionError(f"the host {reason}") from None

    def _reason_of_tls(self, error: BaseException) -> str | None:
        """The reason why a server and `sslmode` of the URL do not fit, and what to change; None: it is another one."""
        text = _reason(error)
        if _REJECTED_TLS in text:
            return "does not use TLS: turn on ssl in its configuration, or write no sslmode in the URL"
        if self._sslmode == "disable" and text.endswith(_NOT_ENCRYPTED):
            return f"refuses: {text}: if it allows only TLS, write sslmode=require in the URL instead of disable"
        return None

    async def _open(self, timeout: float, options: Mapping[str, Any]) -> Any:  # noqa: ASYNC109 - the driver's own
        if not self._is_pooled:
            connection = await self._open_directly(timeout, options)
            if connection is not None:
                return connection
            self._is_pooled = True
        return await self._open_pooled(timeout, options)

    async def _open_directly(self, timeout: float, options: Mapping[str, Any]) -> Any | None:  # noqa: ASYNC109
        """None: a pooler answers."""
        session = {} if self._session is None else {"target_session_attrs": self._session}
        settings = options["server_settings"] | _settings(ends_left=self._ends_left)
        try:
            connection = await _asyncpg_connect(
                **{**options, **session, "server_settings": settings},
                connection_class=UncancelledCommits,
                timeout=timeout,
            )
        except asyncpg.ProtocolViolationError as error:
            if _UNSUPPORTED_SETTING in str(error):
                return None
            raise
        except asyncpg.InvalidParameterValueError as error:
            if not self._ends_left or _CLIENT_CHECK not in str(error):
                raise
            self._ends_left = False
            return await self._open_directly(timeout, options)
        connection.ends_left = self._ends_left
        own = f"SELECT WHERE pg_backend_pid() = {connection.get_server_pid()}"
        if await _replies_one_row(connection, own, timeout):
            return connection
        await connection.close(timeout=timeout)
        return None

    async def _open_pooled(self, timeout: float, options: Mapping[str, Any]) -> Any:  # noqa: ASYNC109
        connection = await _asyncpg_connect(
            **options, connection_class=PooledConnection, statement_cache_size=0, timeout=timeout
        )
        # SQLAlchemy reads types next, with statements that it prepares.
        await _begin_opening(connection, timeout)
        check = None if self._session is None else _SESSION_CHECKS[self._session]
        if check is not None and not await _replies_one_row(connection, check, timeout):
            connection.terminate()
            raise asyncpg.TargetServerAttributeNotMatched
        return connection

    def _prefer(self, host: Host) -> None:
        self._hosts.remove(host)
        self._hosts.insert(0, host)


def end_opening(connection: Any, _record: object) -> None:
    """Ends the transaction in which a connection behind a pooler was opened."""
    driver = connection.driver_connection
    if driver.is_pooled:
        await_(driver.execute("ROLLBACK"))


async def _begin_opening(connection: Any, timeout: float) -> None:  # noqa: ASYNC109
    """Begins a transaction, and finds out whether the server ends statements whose client has left."""
    try:
        await connection.execute(begin_behind_pooler("BEGIN", ends_left=True), timeout=timeout)
    except asyncpg.InvalidParameterValueError:
        connection.ends_left = False
        await _executed(connection, "ROLLBACK; BEGIN", timeout)
    except BaseException:
        connection.terminate()
        raise


async def _asyncpg_connect(**options: Any) -> Any:
    return await cast("Any", asyncpg).connect(**options)


async def _replies_one_row(connection: Any, query: str, timeout: float) -> bool:  # noqa: ASYNC109
    """Prepares nothing: a pooler may give the next message to another server."""
    return await _executed(connection, query, timeout) == _ONE_ROW


async def _executed(connection: Any, command: str, timeout: float) -> str:  # noqa: ASYNC109
    """Closes the connection if it fails."""
    try:
        return await connection.execute(command, timeout=timeout)
    except BaseException:
        connection.terminate()
        raise


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "is a standby"
    if isinstance(error, TimeoutError):
        return "does not answer"
    return " ".join(str(error).split()) or type(error).__name__
