"""A proxy before a server that counts the steps of its clients, and strikes at the one that it is told.

Nothing in the product knows of it: a client that is killed at its seventh step is killed by the operating system, and a
reply that is lost is lost on the wire.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import make_url

from tests.support.servers.wire import PostgresWire, RedisWire, Wire

READ = 65536
# Postgres names its socket so, in the folder that a URL gives as `host`.
SOCKET = ".s.PGSQL.5432"


class Moment(enum.Enum):
    """When, in the life of a step, the blow falls."""

    BEFORE = "before"  # the server never hears of the step
    AFTER = "after"  # the server has done it; the client never hears of it


@dataclass
class Blow:
    """An event at the `step`-th step after it was armed.

    Attributes:
        step: from 1.
        moment: before the server is told, or after it has answered.
        strike: what is done to the client: kill it, freeze it, or nothing.
        named: only steps count whose name has this in it.
        breaks: whether the connection breaks, too. Where it does not, the step goes on when `over` is set.
        hit: the name of the step that it fell on, once it fell.
    """

    step: int
    moment: Moment
    strike: Callable[[], None] = lambda: None
    named: str = ""
    breaks: bool = True
    fallen: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    hit: str = ""
    is_called_off: bool = False

    def is_due(self, steps: Sequence[str]) -> bool:
        """Whether it falls on the last of these steps."""
        if self.is_called_off or self.named not in steps[-1]:
            return False
        return self.step == sum(self.named in step for step in steps)

    def fall(self, name: str) -> None:
        self.hit = name
        self.strike()
        self.fallen.set()

    def call_off(self) -> bool:
        """It falls no more, also where its step waits for the answer; returns whether it has fallen."""
        self.is_called_off = True
        return self.fallen.is_set()


class CountingProxy:
    """All connections of one client to one server."""

    def __init__(self, server: Path, wire: Callable[[], Wire]) -> None:
        self._server = server
        self._wire = wire
        self._links: set[asyncio.Task[None]] = set()
        self._blows: list[Blow] = []
        self.steps: list[str] = []
        self.is_cut = False
        self.delay = 0.0

    def count(self) -> None:
        """Begins to count anew, and strikes nowhere."""
        self.arm()

    def arm(self, *blows: Blow) -> None:
        """Begins to count anew; each of these blows falls at its step."""
        self.steps, self._blows = [], list(blows)

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
            pass  # one side is gone, or the test has ended
        finally:
            writer.close()
            self._links.discard(link)

    def step(self, name: str) -> Blow | None:
        """Counts a step; gives the blow that falls on it, if one does."""
        self.steps.append(name)
        return next((blow for blow in self._blows if blow.is_due(self.steps)), None)

    async def go_away(self) -> None:
        """Every connection breaks, and no new one is taken, until `is_cut` is taken back."""
        self.is_cut = True
        await self.cut()

    async def cut(self) -> None:
        """Every connection breaks. New ones are taken, unless `is_cut` was set before."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)


@dataclass
class _Link:
    proxy: CountingProxy
    wire: Wire
    from_client: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    from_server: asyncio.StreamReader
    to_server: asyncio.StreamWriter
    told: int = 0
    answered: int = 0
    doomed: dict[int, tuple[Blow, str]] = field(default_factory=dict[int, tuple[Blow, str]])

    async def run(self) -> None:
        """Ends as soon as either way does."""
        ways = {asyncio.ensure_future(self._tell()), asyncio.ensure_future(self._answer())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _tell(self) -> None:
        while data := await self.from_client.read(READ):
            for piece, name in self.wire.told(data):
                if name is not None and not await self._may_tell(name):
                    return
                self.to_server.write(piece)
            await self.to_server.drain()

    async def _may_tell(self, name: str) -> bool:
        blow = self.proxy.step(name)
        self.told += 1
        if blow is None:
            return True
        if blow.moment is Moment.AFTER:
            self.doomed[self.told] = (blow, name)
            return True
        blow.fall(name)
        if not blow.breaks:
            await blow.over.wait()
        return not blow.breaks

    async def _answer(self) -> None:
        while data := await self.from_server.read(READ):
            if self.proxy.delay:
                await asyncio.sleep(self.proxy.delay)  # a slow network, not a wait for something
            for piece, is_last in self.wire.answered(data):
                doom = self.doomed.get(self.answered + 1)
                if is_last:
                    self.answered += 1
                if doom is None or doom[0].is_called_off:
                    self.to_client.write(piece)
                elif is_last:
                    doom[0].fall(doom[1])
                    return
            await self.to_client.drain()


@asynccontextmanager
async def counting_valkey(url: str, folder: Path) -> AsyncGenerator[tuple[CountingProxy, str]]:
    """A proxy before the Valkey of `url`, a unix socket, with its own in `folder`; gives the URL of it, too."""
    path = folder / "counting.sock"
    async with _listening(CountingProxy(Path(url.removeprefix("unix://")), RedisWire), path) as proxy:
        yield proxy, f"unix://{path}"


@asynccontextmanager
async def counting_postgres(url: str, folder: Path) -> AsyncGenerator[tuple[CountingProxy, str]]:
    """A proxy before the Postgres of `url`, with its socket in `folder`; gives the URL of it, too."""
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
        await asyncio.sleep(0)  # who was just accepted begins, and so can end
        await proxy.cut()
        await listener.wait_closed()
