"""A proxy before Postgres that loses the reply of a COMMIT: the server has done it, and the client never hears."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import make_url

# Postgres names its socket so, in the folder that a URL gives as `host`.
SOCKET = ".s.PGSQL.5432"
# How asyncpg sends it: a simple query, with its length.
COMMIT = b"Q\x00\x00\x00\x0cCOMMIT;\x00"
ANSWERED = b"COMMIT\x00"


class Proxy:
    """Passes everything on, both ways, until it is told to lose something."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._lose_commits = 0
        self._lose_replies = 0
        self._vanish_after_commit = False
        self._vanished = False
        self._links: set[asyncio.Task[None]] = set()
        self.lost = 0

    def lose_replies_of_commits(self, number: int = 1) -> None:
        """The next COMMITs are done by the server; then the connection breaks before the client hears of it."""
        self._lose_replies = number

    def lose_commits(self, number: int = 1) -> None:
        """The connection breaks before the next COMMITs reach the server."""
        self._lose_commits = number

    def vanish_after_commit(self) -> None:
        """Once the client has heard of the next COMMIT, every connection breaks, and no new one is taken."""
        self._vanish_after_commit = True

    async def vanish(self) -> None:
        """Every connection breaks, and no new one is taken."""
        self._vanished = True
        await self.break_all()

    def come_back(self) -> None:
        self._vanish_after_commit = self._vanished = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        if self._vanished:
            writer.close()
            return
        self._links.add(link)
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._server)
            try:
                await self._pass_on((reader, writer), (from_server, to_server))
            finally:
                to_server.close()
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone, or the test has ended
        finally:
            writer.close()
            self._links.discard(link)

    async def _pass_on(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Ends as soon as either side does."""
        ways = {
            asyncio.ensure_future(self._from_client(client[0], server[1])),
            asyncio.ensure_future(self._from_server(server[0], client[1])),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _from_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if COMMIT in data and self._lose_commits:
                self._lose_commits -= 1
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()

    async def _from_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if ANSWERED in data and self._lose_replies:
                self._lose_replies -= 1
                self.lost += 1
                return
            writer.write(data)
            await writer.drain()
            if ANSWERED in data and self._vanish_after_commit:
                self._vanished = True
                for link in self._links:
                    link.cancel()

    async def break_all(self) -> None:
        """Every connection breaks; new ones are taken."""
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)


@asynccontextmanager
async def proxy_to(url: str, folder: Path) -> AsyncGenerator[tuple[Proxy, str]]:
    """A proxy before the Postgres of `url`, with its socket in `folder`; gives the URL of it, too."""
    target = make_url(url)
    proxy = Proxy(Path(str(target.query["host"])) / SOCKET)
    listener = await asyncio.start_unix_server(proxy.serve, folder / SOCKET)
    try:
        yield proxy, target.set(query={"host": str(folder)}).render_as_string(hide_password=False)
    finally:
        listener.close()
        await proxy.break_all()
        await listener.wait_closed()
