"""An HTTP client with low overhead: one request at a time per connection, parsed by httptools."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httptools
from typing_extensions import override

TIMEOUT_S = 300
IDLE_S = 2  # servers close idle connections after 5 s


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """The response to a request, the time at which the schedule sends it, and the time of the response."""

    response: Response
    due: float
    answered: float


class Connection:
    """A keep-alive connection. It reconnects before the server's idle timeout."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._protocol: _Protocol | None = None
        self._used = 0.0

    async def send(self, request: bytes) -> Response:
        if self._protocol is None or time.monotonic() - self._used > IDLE_S:
            self.close()
            loop = asyncio.get_running_loop()
            _, self._protocol = await loop.create_connection(_Protocol, "127.0.0.1", self._port)
        response = await self._protocol.send(request)
        self._used = time.monotonic()
        return response

    def close(self) -> None:
        if self._protocol is not None:
            self._protocol.close()


class _Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: Any = None
        self._waiting: asyncio.Future[Response] | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []

    async def send(self, request: bytes) -> Response:
        self._waiting = asyncio.get_running_loop().create_future()
        self._parts = []
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        self._transport.close()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the server closed the connection"))

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        assert self._waiting is not None
        self._waiting.set_result(Response(self._parser.get_status_code(), b"".join(self._parts)))


@contextmanager
def open_connections(port: int, count: int) -> Generator[list[Connection]]:
    connections = [Connection(port) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def send_all(connections: Sequence[Connection], requests: Sequence[bytes]) -> list[Response]:
    """Sends each request on the first free connection; each connection waits for its response (closed loop)."""
    todo = deque(requests)
    responses: list[Response] = []

    async def send_next(connection: Connection) -> None:
        while todo:
            responses.append(await connection.send(todo.popleft()))

    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(*map(send_next, connections))
    return responses


async def send_on_schedule(
    connections: Sequence[Connection], requests: Sequence[bytes], schedule: Sequence[float]
) -> list[Sent]:
    """Sends each request at its time, in seconds from now, independently of the responses (open loop)."""
    free: asyncio.Queue[Connection] = asyncio.LifoQueue()
    for connection in connections:
        free.put_nowait(connection)

    async def send_next(request: bytes, due: float) -> Sent:
        connection = await free.get()
        response = await connection.send(request)
        free.put_nowait(connection)
        return Sent(response, due, time.perf_counter())

    begin = time.perf_counter()
    sending: list[asyncio.Task[Sent]] = []
    async with asyncio.timeout(TIMEOUT_S):
        for request, offset in zip(requests, schedule, strict=True):
            due = begin + offset
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sending.append(asyncio.create_task(send_next(request, due)))
        return await asyncio.gather(*sending)


def request(method: str, path: str, port: int, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
    if body:
        head += "Content-Type: application/json\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return head.encode() + b"\r\n" + body
