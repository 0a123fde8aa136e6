"""The queue for operators: pause and resume, counts, workers, and messages that BullMQ has lost or kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from adsum.platform.redis.connection import QueueOutage, translated
from adsum.platform.redis.queues import open_message_queue

# An idle worker fetches every two seconds, and a busy one renews its locks. A worker that is silent for longer is
# frozen, or its machine is down and the server has not noticed yet.
SILENT_AFTER_S = 30
# Messages per call of BullMQ.
PAGE = 200
_KEPT_STATES = frozenset({"waiting", "active", "delayed", "paused", "prioritized", "waiting-children"})


@dataclass(frozen=True, slots=True)
class QueueState:
    """The number of chunks in each state. `failed` is BullMQ's failed set, in which Adsum itself leaves nothing."""

    is_paused: bool
    waiting: int
    active: int
    delayed: int
    failed: int


@dataclass(frozen=True, slots=True)
class ConnectedWorker:
    """A connected worker process, `host:pid`, and the seconds since its last command."""

    name: str
    silent_for: int

    @property
    def is_alive(self) -> bool:
        return self.silent_for < SILENT_AFTER_S


class QueueControl:
    """Every method raises `QueueOutage` if Redis does not answer or refuses."""

    def __init__(self, redis: Redis, *, queue_name: str, key_prefix: str) -> None:
        self._queue: Any = open_message_queue(redis, queue_name, key_prefix)

    async def pause(self) -> None:
        """Workers finish their chunks and take no new ones. Runs that are accepted meanwhile wait."""
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

    async def workers(self) -> list[ConnectedWorker]:
        """The connected workers of this queue, by name.

        Raises:
            QueueOutage: also if the server does not permit CLIENT LIST.
        """
        with translated():
            clients: list[dict[str, str]] = await self._queue.get_workers()
        silent: dict[str, int] = {}
        for client in clients:
            if "rawname" not in client:
                raise QueueOutage("the server does not list its clients")
            name, seconds = client["rawname"].rpartition(":w:")[2], int(client["idle"])
            silent[name] = min(silent.get(name, seconds), seconds)
        return [ConnectedWorker(name, seconds) for name, seconds in sorted(silent.items())]

    async def orphaned_messages(self, message_ids: Sequence[str]) -> list[str]:
        """The messages that BullMQ has and will never deliver: they are in none of its lists, or among the failed or
        completed ones. While BullMQ has them, a resend adds nothing.
        """
        found: list[str] = []
        for message_id in message_ids:
            with translated():
                state = str(await self._queue.getJobState(message_id))
                if state not in _KEPT_STATES and await self._queue.client.exists(self._queue.toKey(message_id)):
                    found.append(message_id)
        return found

    async def forget(self, message_ids: Iterable[str]) -> None:
        """Removes messages, so that a resend adds them."""
        for message_id in message_ids:
            with translated():
                await self._queue.remove(message_id)

    async def forget_failed(self) -> int:
        """Removes the messages of BullMQ's failed set. Returns their number."""
        removed = 0
        while True:
            with translated():
                page = await self._queue.clean(0, PAGE, "failed")
            removed += len(page)
            if len(page) < PAGE:
                return removed
