"""Very many who watch one batch, each on a connection of its own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Listener:
    """One who watches: whether they have been told anything, and when they were told that it is complete."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    moment: float = 0.0


async def watched_by(number: int, url: str, batch: str, token: str, go_on: Callable[[], None]) -> list[float]:
    """Lets so many listen to a batch that waits, then lets it go on.

    Returns:
        Of each, the seconds from then until they were told that it is complete.
    """
    listeners = [Listener() for _ in range(number)]
    async with asyncio.TaskGroup() as group:
        for each in listeners:
            group.create_task(_listen(url, batch, token, each))
        for each in listeners:
            await each.begun.wait()
        await asyncio.to_thread(go_on)
        began = time.monotonic()
        for each in listeners:
            await each.ended.wait()
    return [each.moment - began for each in listeners]


async def _listen(url: str, batch: str, token: str, listener: Listener) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = f"GET /attendances/batches/{batch}/events HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    writer.write(f"{request}Authorization: Bearer {token}\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            if line.startswith(b"data:"):
                listener.begun.set()
                if not json.loads(line[5:])["remainingJobs"]:
                    listener.moment = time.monotonic()
                    listener.ended.set()
                    return
    finally:
        writer.close()
    raise ConnectionError("the server left a listener alone")
