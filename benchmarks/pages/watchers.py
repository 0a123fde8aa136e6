"""Many clients that watch one batch, each on its own connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Listener:
    """One client: whether it has received an event, and when it received the completion."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    completed: asyncio.Event = field(default_factory=asyncio.Event)
    completed_at: float = 0.0


async def completion_delays(number: int, url: str, batch: str, token: str, resume: Callable[[], None]) -> list[float]:
    """Connects `number` listeners to a waiting batch, then calls `resume`.

    Returns:
        The seconds from then until each listener received the completion.
    """
    listeners = [Listener() for _ in range(number)]
    async with asyncio.TaskGroup() as group:
        for listener in listeners:
            group.create_task(_listen(url, batch, token, listener))
        for listener in listeners:
            await listener.started.wait()
        await asyncio.to_thread(resume)
        began = time.monotonic()
        for listener in listeners:
            await listener.completed.wait()
    return [listener.completed_at - began for listener in listeners]


async def _listen(url: str, batch: str, token: str, listener: Listener) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    request = f"GET /attendances/batches/{batch}/events HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    writer.write(f"{request}Authorization: Bearer {token}\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            if line.startswith(b"data:"):
                listener.started.set()
                if not json.loads(line[5:])["remainingJobs"]:
                    listener.completed_at = time.monotonic()
                    listener.completed.set()
                    return
    finally:
        writer.close()
    raise ConnectionError("the server closed an event stream")
