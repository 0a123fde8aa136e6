"""A receiver of webhooks in a process of its own, which answers 204 at once and counts."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NamedTuple

import uvloop
from typing_extensions import override

TIMES, COUNTS = "times", "counts"
POLL_S = 0.002
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb'\{"id":(\d+),')
_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


class Counts(NamedTuple):
    """The events that arrived: new ones, each after all that came before it, and events that came again or late."""

    new: int
    again: int


class Receiver:
    """The receiver, seen from the benchmark. Each path of its URL receives for one webhook."""

    def __init__(self, pipe: Any) -> None:
        self._pipe = pipe
        self.port = int(pipe.recv())

    def url(self, webhook: int = 1) -> str:
        return f"http://127.0.0.1:{self.port}/{webhook}"

    def counts(self) -> Counts:
        return Counts(*self._ask(COUNTS))

    def times(self) -> list[float]:
        """The times at which the new events have arrived, by this machine's monotonic clock."""
        return self._ask(TIMES)

    async def wait_for(self, new: int) -> None:
        """Waits until so many new events have arrived."""
        while self.counts().new < new:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(POLL_S)

    def _ask(self, what: str) -> Any:
        self._pipe.send(what)
        return self._pipe.recv()


@contextmanager
def receiving() -> Generator[Receiver]:
    """Runs a receiver until the block ends."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_receive, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Receiver(ours)
    finally:
        process.kill()
        process.join()


def _receive(pipe: Any) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe))


async def _serve(pipe: Any) -> None:
    arrivals = _Arrivals()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answering(arrivals), "127.0.0.1", 0)
    loop.add_reader(pipe.fileno(), lambda: pipe.send(arrivals.answer(pipe.recv())))
    os.set_blocking(pipe.fileno(), True)  # uvloop has changed it, and a long answer does not fit into the buffer
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class _Arrivals:
    def __init__(self) -> None:
        self._newest: defaultdict[bytes, int] = defaultdict(int)
        self._times: list[float] = []
        self._again = 0

    def add(self, path: bytes, event_id: int) -> None:
        if event_id > self._newest[path]:
            self._newest[path] = event_id
            self._times.append(time.monotonic())
        else:
            self._again += 1

    def answer(self, what: str) -> Any:
        return self._times if what == TIMES else (len(self._times), self._again)


class _Answering(asyncio.Protocol):
    def __init__(self, arrivals: _Arrivals) -> None:
        self._arrivals = arrivals
        self._buffer = b""
        self._transport: Any = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = _LENGTH.search(head)
            assert length is not None
            stop = end + 4 + int(length[1])
            if len(self._buffer) < stop:
                return
            event = _ID.match(self._buffer, end + 4)
            assert event is not None
            self._arrivals.add(head.split(b" ", 2)[1], int(event[1]))
            self._buffer = self._buffer[stop:]
            self._transport.write(_TAKEN)
