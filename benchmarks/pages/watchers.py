"""Many clients that watch one batch, each on its own connection.

A user and a network address may watch a limited number at a time, so the clients have several of both.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# Of this machine. On Linux all of 127.0.0.0/8 is.
ADDRESSES = ("127.0.0.1", "127.0.0.2")


@dataclass
class Listener:
    """One client: whether it has received an event, and when it received the completion."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    completed: asyncio.Event = field(default_factory=asyncio.Event)
    completed_at: float = 0.0


async def completion_delays(
    number: int, url: str, batch: str, tokens: Sequence[str], resume: Callable[[], None]
) -> list[float]:
    """Connects `number` listeners to a waiting batch, then calls `resume`.

    Args:
        number: of the listeners.
        url: of the server.
        batch: the id of the batch.
        tokens: of several users, who have an equal share of the listeners each.
        resume: lets the batch be processed.

    Returns:
        The seconds from then until each listener received the completion.
    """
    listeners = [Listener() for _ in range(number)]
    async with asyncio.TaskGroup() as group:
        for index, listener in enumerate(listeners):
            address = ADDRESSES[index * len(ADDRESSES) // number]
            group.create_task(_listen(url, batch, tokens[index % len(tokens)], address, listener))
        for listener in listeners:
            await listener.started.wait()
        await asyncio.to_thread(resume)
        began = time.monotonic()
        for listener in listeners:
            await listener.completed.wait()
    return [listener.completed_at - began for listener in listeners]


async def _listen(url: str, batch: str, token: str, address: str, listener: Listener) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, local_addr=(address, 0))
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
