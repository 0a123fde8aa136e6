"""An HTTP client that costs little: one connection a line, one request at a time on it, httptools for the answers."""

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

ANSWER_S = 300
IDLE_S = 2  # servers close after 5


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class Line:
    """A connection that is kept, and made anew before a server may have thought it idle for too long."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: _Connection | None = None
        self._used = 0.0

    async def ask(self, request: bytes) -> Answer:
        if self._connection is None or time.monotonic() - self._used > IDLE_S:
            self.close()
            loop = asyncio.get_running_loop()
            _, self._connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
        answer = await self._connection.ask(request)
        self._used = time.monotonic()
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._transport: Any = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []

    async def ask(self, request: bytes) -> Answer:
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
        self._waiting.set_result(Answer(self._parser.get_status_code(), b"".join(self._parts)))


@contextmanager
def opened_lines(port: int, count: int) -> Generator[list[Line]]:
    lines = [Line(port) for _ in range(count)]
    try:
        yield lines
    finally:
        for line in lines:
            line.close()


async def flood(lines: Sequence[Line], requests: Sequence[bytes]) -> list[Answer]:
    """Each line sends its next request as soon as the last one is answered."""
    todo = deque(requests)
    answers: list[Answer] = []

    async def send(line: Line) -> None:
        while todo:
            answers.append(await line.ask(todo.popleft()))

    async with asyncio.timeout(ANSWER_S):
        await asyncio.gather(*map(send, lines))
    return answers


async def paced(lines: Sequence[Line], requests: Sequence[bytes], rate: float) -> tuple[list[Answer], list[float]]:
    """Sends `rate` requests a second, whatever the answers; the seconds to each answer count from when it was due."""
    free: asyncio.Queue[Line] = asyncio.LifoQueue()
    for line in lines:
        free.put_nowait(line)
    answers: list[Answer] = []
    taken: list[float] = []

    async def send(request: bytes, due: float) -> None:
        line = await free.get()
        answers.append(await line.ask(request))
        taken.append(time.perf_counter() - due)
        free.put_nowait(line)

    begin = time.perf_counter()
    sending: list[asyncio.Task[None]] = []
    async with asyncio.timeout(ANSWER_S):
        for number, request in enumerate(requests):
            due = begin + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sending.append(asyncio.create_task(send(request, due)))
        await asyncio.gather(*sending)
    return answers, taken


def request(method: str, path: str, port: int, token: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
    if body:
        head += "Content-Type: application/json\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    return head.encode() + b"\r\n" + body
