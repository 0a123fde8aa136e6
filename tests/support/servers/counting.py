"""A proxy in front of a server that counts the steps of its client and injects faults at chosen steps.

The product has no fault hooks: the operating system kills a client, and a reply is lost on its connection.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from adsum.platform.cancellation import end
from tests.support.servers.wire import PostgresWire, RedisWire, Wire

READ = 65536
# Name of Postgres' socket in the folder that a URL gives as `host`.
SOCKET = ".s.PGSQL.5432"


class Moment(enum.Enum):
    """When a fault is injected, relative to its step."""

    BEFORE = "before"  # the server does not receive the step
    AFTER = "after"  # the server has executed the step; the client receives no reply


@dataclass
class Fault:
    """A fault at the `step`-th step after it was armed.

    Attributes:
        step: from 1.
        moment: before the server receives the step, or after it has answered.
        action: done to the client: kill it, freeze it, or nothing.
        named: counts only steps whose name contains this text.
        answered: of a fault after a step: waits for a reply that contains this text.
        breaks: also closes the connection. Otherwise the step or its reply continues when `resumed` is set.
        step_name: the name of the step, once the fault is injected.
    """

    step: int
    moment: Moment
    action: Callable[[], None] = lambda: None
    named: str = ""
    answered: bytes = b""
    breaks: bool = True
    injected: asyncio.Event = field(default_factory=asyncio.Event)
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    step_name: str = ""
    is_cancelled: bool = False

    def is_due(self, steps: Sequence[str]) -> bool:
        """Returns whether the fault is due at the last of these steps."""
        if self.is_cancelled or self.named not in steps[-1]:
            return False
        counted = sum(self.named in step for step in steps)
        return counted == self.step or bool(self.answered and counted > self.step)

    def is_met_by(self, reply: bytes) -> bool:
        """Returns whether the fault is injected instead of this reply to its step."""
        return not self.is_cancelled and not self.injected.is_set() and self.answered in reply

    def inject(self, name: str) -> None:
        self.step_name = name
        self.action()
        self.injected.set()

    def cancel(self) -> bool:
        """Cancels the fault, even if its step waits for the reply. Returns whether it was already injected."""
        self.is_cancelled = True
        return self.injected.is_set()


class CountingProxy:
    """All connections of one client to one server."""

    def __init__(self, server: Path, wire: Callable[[], Wire]) -> None:
        self._server = server
        self._wire = wire
        self._links: set[asyncio.Task[None]] = set()
        self._faults: list[Fault] = []
        self.steps: list[str] = []
        self.is_cut = False
        self.delay = 0.0

    def count(self) -> None:
        """Resets the counter and removes all faults."""
        self.arm()

    def arm(self, *faults: Fault) -> None:
        """Resets the counter and arms these faults."""
        self.steps, self._faults = [], list(faults)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        try:
            if not self.is_cut:
                from_server, to_server = await asyncio.open_unix_connection(self._server)
                try:
                    await _Link(self, self._wire(), reader, writer, from_server, to_server).run()
                finally:
                    to_server.close()
        except (OSError, asyncio.CancelledError):
            pass  # one side has closed, or the test has ended
        finally:
            writer.close()
            self._links.discard(link)

    def step(self, name: str) -> Fault | None:
        """Counts a step. Returns the fault that is due, if any."""
        self.steps.append(name)
        return next((fault for fault in self._faults if fault.is_due(self.steps)), None)

    async def go_away(self) -> None:
        """Closes all connections and refuses new ones until `is_cut` is reset."""
        self.is_cut = True
        await self.cut()

    async def cut(self) -> None:
        """Closes all connections. Accepts new ones, unless `is_cut` is set."""
        await end(self._links)


@dataclass
class _Link:
    proxy: CountingProxy
    wire: Wire
    from_client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    from_server: asyncio.StreamReader
    to_server: asyncio.StreamWriter
    request_count: int = 0
    reply_count: int = 0
    pending_faults: dict[int, tuple[Fault, str]] = field(default_factory=dict[int, tuple[Fault, str]])
    withheld: bytes = b""

    async def run(self) -> None:
        """Ends as soon as one direction ends."""
        directions = {asyncio.ensure_future(self._forward_requests()), asyncio.ensure_future(self._forward_replies())}
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(directions)

    async def _forward_requests(self) -> None:
        while data := await self.from_client.read(READ):
            for piece, name in self.wire.split_requests(data):
                if name is not None and not await self._forward_step(name):
                    return
                self.to_server.write(piece)
            await self.to_server.drain()

    async def _forward_step(self, name: str) -> bool:
        fault = self.proxy.step(name)
        self.request_count += 1
        if fault is None:
            return True
        if fault.moment is Moment.AFTER:
            self.pending_faults[self.request_count] = (fault, name)
            return True
        fault.inject(name)
        if not fault.breaks:
            await fault.resumed.wait()
        return not fault.breaks

    async def _forward_replies(self) -> None:
        while data := await self.from_server.read(READ):
            if self.proxy.delay:
                await asyncio.sleep(self.proxy.delay)  # a slow network, not a wait for something
            for piece, is_last in self.wire.split_replies(data):
                if (self.reply_count + 1) not in self.pending_faults:
                    self.to_client.write(piece)
                else:
                    self.withheld += piece
                    if is_last and not await self._forward_withheld(*self.pending_faults.pop(self.reply_count + 1)):
                        return
                self.reply_count += is_last
            await self.to_client.drain()

    async def _forward_withheld(self, fault: Fault, name: str) -> bool:
        reply, self.withheld = self.withheld, b""
        if fault.is_met_by(reply):
            fault.inject(name)
            if fault.breaks:
                return False
            await fault.resumed.wait()
        self.to_client.write(reply)
        return True


@asynccontextmanager
async def counting_valkey(url: str, folder: Path) -> AsyncGenerator[tuple[CountingProxy, str]]:
    """Starts a proxy in front of the Valkey of `url`, with its socket in `folder`. Yields the proxy and its URL."""
    path = folder / "counting.sock"
    async with _listening(CountingProxy(Path(url.removeprefix("unix://")), RedisWire), path) as proxy:
        yield proxy, f"unix://{path}"


@asynccontextmanager
async def counting_postgres(url: str, folder: Path) -> AsyncGenerator[tuple[CountingProxy, str]]:
    """Starts a proxy in front of the Postgres of `url`, with its socket in `folder`. Yields the proxy and its URL."""
    target = make_url(url)
    proxy = CountingProxy(Path(str(target.query["host"])) / SOCKET, PostgresWire)
    async with _listening(proxy, folder / SOCKET):
        yield proxy, target.set(query={"host": str(folder)}).render_as_string(hide_password=False)


@asynccontextmanager
async def _listening(proxy: CountingProxy, path: Path) -> AsyncGenerator[CountingProxy]:
    listener = await asyncio.start_unix_server(proxy.serve, path)
    try:
        yield proxy
    finally:
        listener.close()
        await asyncio.sleep(0)  # connections that were just accepted start, so that they can be cancelled
        await proxy.cut()
        await listener.wait_closed()
