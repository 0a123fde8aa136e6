"""Sends one event to one endpoint: signed, within a time, without following redirects."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import httpcore2

from adsum.events.webhooks.guard import Guard, GuardedBackend, RefusedAddress
from adsum.events.webhooks.rules import MAX_ANSWER, Attempt, NoAnswerReason, signatures
from adsum.platform.clock import Clock
from adsum.platform.texts import readable

# Standard Webhooks recommends 15 to 30 seconds.
DEADLINE_S = 15.0
CONNECT_S = 5.0
# For the body of an answer, of which only the beginning is kept.
ANSWER_S = 2.0
# Connections to all endpoints together: more than a worker uses at once, so that no receiver waits for another one. And
# those that stay open.
MAX_CONNECTIONS = 2_000
KEPT_CONNECTIONS = 100
KEPT_FOR_S = 30.0
_TIMEOUTS = {"connect": CONNECT_S, "read": DEADLINE_S, "write": DEADLINE_S, "pool": DEADLINE_S}


class Sender:
    """Sends signed events. `guard` decides which addresses it reaches; `now` is the clock."""

    def __init__(self, guard: Guard, now: Clock) -> None:
        self._now = now
        self._guards = {"https": guard, "http": guard.inside()}
        # Made when they are needed: certificates take memory, and most processes send nothing.
        self._pools: dict[str, httpcore2.AsyncConnectionPool] = {}

    async def send(
        self, url: str, message_id: str, body: str, secrets: Sequence[str], *, trace: Mapping[str, str] | None = None
    ) -> Attempt:
        """Makes one attempt. An error is part of the result. `trace`: the headers that continue a trace."""
        began, moment = time.monotonic(), self._now()
        status: int | None = None
        error: NoAnswerReason | None = None
        answer = b""
        try:
            async with asyncio.timeout(DEADLINE_S):
                status, answer = await self._post(url, message_id, moment, body, secrets, trace or {})
        except RefusedAddress:
            error = NoAnswerReason.ADDRESS_REFUSED
        except (TimeoutError, httpcore2.TimeoutException):
            error = NoAnswerReason.TIMEOUT
        except httpcore2.ConnectError:
            error = NoAnswerReason.CONNECTION_FAILED
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol, ssl.SSLError):
            error = NoAnswerReason.CONNECTION_BROKEN
        duration = round((time.monotonic() - began) * 1000)
        return Attempt(moment, duration, status, error, readable(answer.decode(errors="replace")[:MAX_ANSWER]))

    async def _post(
        self,
        url: str,
        message_id: str,
        moment: datetime,
        body: str,
        secrets: Sequence[str],
        trace: Mapping[str, str],
    ) -> tuple[int, bytes]:
        content = body.encode()
        parsed = httpcore2.URL(url)
        headers = [
            ("host", _host_of(parsed)),
            ("content-type", "application/json"),
            ("content-length", str(len(content))),
            ("user-agent", "Adsum"),
            ("webhook-id", message_id),
            ("webhook-timestamp", str(int(moment.timestamp()))),
            ("webhook-signature", signatures(message_id, moment, body, secrets)),
            *trace.items(),
        ]
        request = self._pool_of(parsed.scheme.decode()).stream(
            "POST", url, headers=headers, content=content, extensions={"timeout": _TIMEOUTS}
        )
        async with request as response:
            return response.status, await _beginning_of(response)

    async def close(self) -> None:
        """Closes the connections."""
        for pool in self._pools.values():
            await pool.aclose()
        for guard in self._guards.values():
            await guard.close()

    def _pool_of(self, scheme: str) -> httpcore2.AsyncConnectionPool:
        if scheme not in self._pools:
            context = ssl.create_default_context() if scheme == "https" else None
            self._pools[scheme] = _new_pool(self._guards[scheme], context)
        return self._pools[scheme]


def _new_pool(guard: Guard, context: ssl.SSLContext | None) -> httpcore2.AsyncConnectionPool:
    return httpcore2.AsyncConnectionPool(
        ssl_context=context,
        max_connections=MAX_CONNECTIONS,
        max_keepalive_connections=KEPT_CONNECTIONS,
        keepalive_expiry=KEPT_FOR_S,
        network_backend=GuardedBackend(guard),
    )


async def _beginning_of(response: httpcore2.Response) -> bytes:
    """The rest of a long or slow answer is not read: its status counts, and the connection is closed."""
    answer = b""
    with suppress(TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException):
        async with asyncio.timeout(ANSWER_S):
            async for part in response.aiter_stream():
                answer += part
                if len(answer) >= 4 * MAX_ANSWER:
                    break
    return answer


def _host_of(url: httpcore2.URL) -> str:
    host = url.host.decode()
    host = f"[{host}]" if ":" in host else host
    return host if url.port is None else f"{host}:{url.port}"
