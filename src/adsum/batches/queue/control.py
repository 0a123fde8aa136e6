"""The queue as operators see it: paused or not, how much waits, who works, and what BullMQ has lost or kept."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from bullmq import Queue
from redis.asyncio import Redis

from adsum.batches.queue.keys import bullmq_prefix
from adsum.platform.redis.connection import QueueOutage, translated

# An idle worker asks for chunks every two seconds, a busy one renews its locks. One that is silent for so long is
# frozen, or its machine is gone and the server has not noticed yet.
SILENT_AFTER_S = 30
# Messages that BullMQ is asked about, or told to forget, at once.
PAGE = 200
_UNTIDY = re.compile(r"[^A-Za-z0-9.-]")
_KEPT_STATES = frozenset({"waiting", "active", "delayed", "paused", "prioritized", "waiting-children"})


def process_name() -> str:
    """This process, as `host:pid`. BullMQ names its connections so; no key, no heartbeat, and gone with the process."""
    return f"{_UNTIDY.sub('-', socket.gethostname())}:{os.getpid()}"


@dataclass(frozen=True, slots=True)
class QueueState:
    """How many chunks are where. `failed` is BullMQ's set, in which Adsum itself leaves nothing."""

    is_paused: bool
    waiting: int
    active: int
    delayed: int
    failed: int


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A worker process that is connected, `host:pid`, and the seconds since it last said anything."""

    name: str
    silent_for: int

    @property
    def is_alive(self) -> bool:
        return self.silent_for < SILENT_AFTER_S


class QueueControl:
    """Every method raises `QueueOutage` where Redis does not answer or refuses."""

    def __init__(self, redis: Redis, *, queue_name: str, key_prefix: str) -> None:
        self._queue: Any = Queue(queue_name, cast("Any", {"connection": redis, "prefix": bullmq_prefix(key_prefix)}))

    async def pause(self) -> None:
        """Workers finish what they have and take nothing new. What is accepted meanwhile waits."""
        with translated():
            await self._queue.pause()

    async def resume(self) -> None:
        with translated():
            await self._queue.resume()

    async def is_paused(self) -> bool:
        with translated():
            return bool(await self._queue.isPaused())

    async def state(self) -> QueueState:
        with translated():
            counts: dict[str, int] = await self._queue.getJobCounts("waiting", "active", "paused", "delayed", "failed")
        is_paused = await self.is_paused()
        waiting = counts["waiting"] + counts["paused"]
        return QueueState(is_paused, waiting, counts["active"], counts["delayed"], counts["failed"])

    async def workers(self) -> list[WorkerSeen]:
        """Every worker of this queue that has a connection, by its name.

        Raises:
            QueueOutage: also where the server's owner does not allow CLIENT LIST.
        """
        with translated():
            clients: list[dict[str, str]] = await self._queue.get_workers()
        silent: dict[str, int] = {}
        for client in clients:
            if "rawname" not in client:
                raise QueueOutage("the server does not tell who is connected to it")
            name, seconds = client["rawname"].rpartition(":w:")[2], int(client["idle"])
            silent[name] = min(silent.get(name, seconds), seconds)
        return [WorkerSeen(name, seconds) for name, seconds in sorted(silent.items())]

    async def orphaned_messages(self, message_ids: Sequence[str]) -> list[str]:
        """Which of these messages nobody will ever be handed, although BullMQ has them: they are in none of its lists,
        or among the failed or completed ones. While they are there, a resend adds nothing.
        """
        found: list[str] = []
        for message_id in message_ids:
            with translated():
                state = str(await self._queue.getJobState(message_id))
                if state not in _KEPT_STATES and await self._queue.client.exists(self._queue.toKey(message_id)):
                    found.append(message_id)
        return found

    async def forget(self, message_ids: Iterable[str]) -> None:
        """Removes messages, so that they can be sent again."""
        for message_id in message_ids:
            with translated():
                await self._queue.remove(message_id)

    async def forget_failed(self) -> int:
        """Removes what is in BullMQ's failed set, and returns how many messages that were."""
        removed = 0
        while True:
            with translated():
                page = await self._queue.clean(0, PAGE, "failed")
            removed += len(page)
            if len(page) < PAGE:
                return removed
