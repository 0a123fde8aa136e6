"""HTTP/1.1 with limits that hold before the application sees a request: headers, time, body rate and connections.

uvicorn has no such settings for httptools. The protocol is uvicorn's; it only counts and refuses.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Any, cast

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from adsum.platform.addresses import source_of
from adsum.platform.http.bare_page import bare_page, shows_page
from adsum.platform.http.problems import problem
from adsum.platform.telemetry import logger

PAUSE_OF_LOG_S = 10.0

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one process.

    Attributes:
        connections: open connections.
        connections_per_address: those of one address, or of one /64 of IPv6. Proxies have no limit.
        proxies: addresses and networks of trusted proxies, separated by commas; `*`: all.
        request_line: bytes of the URL in the first line.
        headers: bytes of names and values.
        header_seconds: until the end of the headers.
        body_seconds: in which at least `body_bytes` of a body arrive, until its end.
    """

    connections: int
    connections_per_address: int
    proxies: str
    request_line: int = 16 * 1024
    headers: int = 64 * 1024
    header_seconds: float = 10
    body_seconds: float = 10
    body_bytes: int = 10 * 1024


class Connections:
    """Counts the open connections of the process by address. `headers`: of the answers to those that are refused."""

    def __init__(self, limits: ConnectionLimits, headers: Mapping[str, str]) -> None:
        self.limits = limits
        self.headers = headers
        self._open: Counter[str] = Counter()
        # Refusals by code that no line has named, and the time of the last line.
        self._refused: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}
        entries = [entry.strip() for entry in limits.proxies.split(",") if entry.strip()]
        self._trusts_all = "*" in entries
        self._proxies = [ip_network(entry, strict=False) for entry in entries if entry != "*" and _is_network(entry)]

    @property
    def count(self) -> int:
        """All open connections."""
        return self._open.total()

    def add(self, address: str | None) -> bool:
        """Counts a connection. False: there are too many now."""
        source = source_of(address)
        self._open[source] += 1
        if self.count > self.limits.connections:
            return False
        return self._open[source] <= self.limits.connections_per_address or self._is_proxy(address)

    def note_refusal(self, code: str, address: str | None) -> None:
        """Logs a refusal; of a flood, one line in ten seconds for each code, with their number."""
        self._refused[code] += 1
        now = time.monotonic()
        if now < self._logged_at.get(code, -PAUSE_OF_LOG_S) + PAUSE_OF_LOG_S:
            return
        self._logged_at[code] = now
        log.warning("connection refused", code=code, address=address, total=self._refused.pop(code))

    def remove(self, address: str | None) -> None:
        source = source_of(address)
        self._open[source] -= 1
        if not self._open[source]:
            del self._open[source]

    def _is_proxy(self, address: str | None) -> bool:
        # Only a proxy of this machine uses a unix socket.
        if self._trusts_all or address is None:
            return True
        ip = ip_address(address)
        return any(ip in network for network in self._proxies)


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry, strict=False)
    except ValueError:
        return False
    return True


class _RequestPart(Enum):
    """The part of a request that is expected."""

    START = auto()
    HEADERS = auto()
    BODY = auto()


class LimitedHttp(HttpToolsProtocol):
    """uvicorn's protocol with limits. A refusal is a problem, or a page for a browser, and closes the connection."""

    def __init__(self, open_connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        self._open_connections = open_connections
        self._limits = open_connections.limits
        self._part = _RequestPart.START
        self._bytes = 0  # bytes of the current part
        self._framing = 0  # bytes of a body since the newest read that held content: chunk sizes and trailers
        self._timer: asyncio.TimerHandle | None = None
        self._has_begun = False  # whether a request began in the newest read
        self._has_content = False  # whether the newest read held content of a body
        self._is_refused = False
        self._address: str | None = None  # of a unix socket

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._address = (self.client[0] if self.client else "") or None
        if self._open_connections.add(self._address):
            self._arm(self._limits.header_seconds, self._end_late_headers)
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_connections", "too many connections are open")

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._open_connections.remove(self._address)
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        part, self._has_begun, self._has_content = self._part, False, False
        super().data_received(data)
        if self._is_refused or self.transport.is_closing():
            return
        if self._part is _RequestPart.BODY:
            self._bytes += len(data)
            self._framing = 0 if self._has_content else self._framing + len(data)
            # The parser keeps trailers, which are headers, too.
            if self._framing > self._limits.headers:
                self._refuse_headers()
            else:
                self._arm(self._limits.body_seconds, self._end_slow_body)
            return
        if self._part is _RequestPart.HEADERS and part is _RequestPart.HEADERS:
            self._bytes += len(data)
            if self._bytes > self._limits.headers:
                self._refuse_headers()
                return
        # Also while only empty lines arrive.
        if self._part is _RequestPart.HEADERS or not self._has_begun:
            self._arm(self._limits.header_seconds, self._end_late_headers)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._part, self._bytes, self._has_begun = _RequestPart.HEADERS, 0, True

    @override
    def on_headers_complete(self) -> None:
        self._disarm()
        self._part, self._bytes, self._framing = _RequestPart.BODY, 0, 0
        if len(self.url) > self._limits.request_line:
            detail = f"the URL has more than {self._limits.request_line} bytes"
            self._refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "url_too_long", detail)
        elif sum(len(name) + len(value) for name, value in self.headers) > self._limits.headers:
            self._refuse_headers()
        else:
            super().on_headers_complete()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        if self._part is _RequestPart.HEADERS:  # no trailer
            super().on_header(name, value)

    @override
    def on_body(self, body: bytes) -> None:
        self._has_content = True
        if not self._is_refused:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._disarm()
        self._part = _RequestPart.START
        if not self._is_refused:
            super().on_message_complete()

    def _refuse_headers(self) -> None:
        detail = f"the headers have more than {self._limits.headers} bytes"
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail)

    def _end_late_headers(self) -> None:
        self._timer = None
        if self._part is _RequestPart.HEADERS:
            detail = f"the headers did not end within {self._limits.header_seconds:g} seconds"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", detail)
        elif not self._is_answering:
            self.transport.close()  # no request has begun

    def _end_slow_body(self) -> None:
        self._timer = None
        # While the application reads slowly, the client cannot send.
        if self._bytes < self._limits.body_bytes and not self.flow.read_paused:
            detail = f"the body arrives more slowly than {self._limits.body_bytes} bytes in "
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT, "request_timeout", f"{detail}{self._limits.body_seconds:g} seconds"
            )
            return
        self._bytes = 0
        self._arm(self._limits.body_seconds, self._end_slow_body)

    @override
    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST, "malformed", "this is not a request of HTTP/1.1")

    def _refuse(self, status: HTTPStatus, code: str, detail: str) -> None:
        self._is_refused = True
        self._disarm()
        self._open_connections.note_refusal(code, self._address)
        # An earlier request, or this one, may have a response that has begun.
        if not self._is_answering or not self.cycle.response_started:
            response = bare_page(status) if self._shows_page else problem(status, code, detail)
            for name, value in self._open_connections.headers.items():
                response.headers.setdefault(name, value)
            fields = [*response.raw_headers, (b"connection", b"close")]
            head = STATUS_LINE[status] + b"".join(name + b": " + value + b"\r\n" for name, value in fields)
            self.transport.write(head + b"\r\n" + bytes(response.body))
        if self._is_answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    @property
    def _shows_page(self) -> bool:
        """By the headers that have arrived. uvicorn declares those before the first request, None, as a list."""
        headers = cast("list[tuple[bytes, bytes]] | None", self.headers) or []
        return shows_page({name.decode("latin-1"): value.decode("latin-1") for name, value in headers})

    @property
    def _is_answering(self) -> bool:
        """Whether a request has no complete response yet. uvicorn declares the first cycle, None, as one."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _arm(self, seconds: float, end: Callable[[], None]) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, end)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
