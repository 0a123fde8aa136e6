"""The queue for operators: pause and resume, counts, workers, and messages that BullMQ has lost or kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from adsum.batches.queue.chunks import Chunk
from adsum.platform.cancellation import all_of
from adsum.platform.redis.connection import QueueOutage, translated
from adsum.platform.redis.queues import open_message_queue
from adsum.platform.redis.shards import Shards, answers_of

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


@dataclass(frozen=True, slots=True)
class ShardState:
    """A shard, its messages, and the number of its live workers. None: it does not answer, or hides its clients."""

    number: int
    key_prefix: str
    state: QueueState | None
    workers: int | None


class QueueControl:
    """The queue of all shards. Every method raises `QueueOutage` if Redis does not answer or refuses. Figures are those
    of the shards that answer; changes are made in each shard that does, before it is raised.
    """

    def __init__(self, shards: Shards, *, queue_name: str) -> None:
        self._shards = shards
        self._queues: list[Any] = [open_message_queue(each.redis, queue_name, each.key_prefix) for each in shards]

    @property
    def number_of_shards(self) -> int:
        """The number of the queue's shards."""
        return len(self._shards)

    async def pause(self) -> None:
        """Workers finish their chunks and take no new ones. Runs that are accepted meanwhile wait."""
        await self._in_each(lambda queue: queue.pause())

    async def resume(self) -> None:
        await self._in_each(lambda queue: queue.resume())

    async def is_paused(self) -> bool:
        """Whether a shard is paused."""
        return any(await answers_of(map(_is_paused, self._queues)))

    async def state(self) -> QueueState:
        states = await answers_of(map(_state, self._queues))
        return QueueState(
            is_paused=any(each.is_paused for each in states),
            waiting=sum(each.waiting for each in states),
            active=sum(each.active for each in states),
            delayed=sum(each.delayed for each in states),
            failed=sum(each.failed for each in states),
        )

    async def workers(self) -> list[ConnectedWorker]:
        """The connected workers of this queue, by name.

        Raises:
            QueueOutage: also if a server does not permit CLIENT LIST.
        """
        silent: dict[str, int] = {}
        for each in chain.from_iterable(await answers_of(map(_workers, self._queues))):
            silent[each.name] = min(silent.get(each.name, each.silent_for), each.silent_for)
        return [ConnectedWorker(name, seconds) for name, seconds in sorted(silent.items())]

    async def shards(self) -> list[ShardState]:
        """All shards, also those that do not answer."""
        states = await asyncio.gather(*map(_state, self._queues), return_exceptions=True)
        workers = await asyncio.gather(*map(_workers, self._queues), return_exceptions=True)
        return [
            ShardState(
                *(shard.number, shard.key_prefix, state if isinstance(state, QueueState) else None),
                workers=None if isinstance(each, BaseException) else len({w.name for w in each if w.is_alive}),
            )
            for shard, state, each in zip(self._shards, states, workers, strict=True)
        ]

    async def silent_shards(self) -> list[int]:
        """The numbers of the shards that do not answer."""
        answers = await asyncio.gather(*map(_is_paused, self._queues), return_exceptions=True)
        return [number for number, each in enumerate(answers) if isinstance(each, QueueOutage)]

    async def unserved_shards(self) -> list[int]:
        """The numbers of the shards that answer, list their clients, and have no worker."""
        answers = await asyncio.gather(*map(_workers, self._queues), return_exceptions=True)
        return [number for number, each in enumerate(answers) if each == []]

    async def orphaned_messages(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks whose message BullMQ has and will never deliver: it is in none of its lists, or among the failed
        or completed ones. While BullMQ has it, a resend adds nothing.
        """
        found: list[Chunk] = []
        for chunk in chunks:
            queue, message_id = self._queue_of(chunk), chunk.message_id
            with translated():
                state = str(await queue.getJobState(message_id))
                if state not in _KEPT_STATES and await queue.client.exists(queue.toKey(message_id)):
                    found.append(chunk)
        return found

    async def forget(self, chunks: Iterable[Chunk]) -> None:
        """Removes messages, so that a resend adds them."""
        for chunk in chunks:
            with translated():
                await self._queue_of(chunk).remove(chunk.message_id)

    async def is_used(self) -> bool:
        """Whether a shard has a key of the queue."""
        return any(await answers_of(map(_is_used, self._queues)))

    async def obliterate(self) -> None:
        """Removes the queue, with its messages."""
        await self._in_each(lambda queue: queue.obliterate(force=True))

    async def forget_failed(self) -> int:
        """Removes the messages of BullMQ's failed set. Returns their number."""
        return sum([await _forget_failed(queue) for queue in self._queues])

    def _queue_of(self, chunk: Chunk) -> Any:
        return self._queues[self._shards.of(chunk.batch.session_id).number]

    async def _in_each(self, call: Callable[[Any], Awaitable[object]]) -> None:
        with translated():
            await all_of(map(call, self._queues))


async def _is_used(queue: Any) -> bool:
    with translated():
        return bool(await queue.client.exists(*map(queue.toKey, ("meta", "wait", "paused", "active", "delayed"))))


async def _is_paused(queue: Any) -> bool:
    with translated():
        return bool(await queue.isPaused())


async def _state(queue: Any) -> QueueState:
    with translated():
        counts: dict[str, int] = await queue.getJobCounts("waiting", "active", "paused", "delayed", "failed")
    is_paused = await _is_paused(queue)
    waiting = counts["waiting"] + counts["paused"]
    return QueueState(is_paused, waiting, counts["active"], counts["delayed"], counts["failed"])


async def _workers(queue: Any) -> list[ConnectedWorker]:
    with translated():
        clients: list[dict[str, str]] = await queue.get_workers()
    if any("rawname" not in client for client in clients):
        raise QueueOutage("the server does not list its clients")
    return [ConnectedWorker(each["rawname"].rpartition(":w:")[2], int(each["idle"])) for each in clients]


async def _forget_failed(queue: Any) -> int:
    removed = 0
    while True:
        with translated():
            page = await queue.clean(0, PAGE, "failed")
        removed += len(page)
        if len(page) < PAGE:
            return removed
