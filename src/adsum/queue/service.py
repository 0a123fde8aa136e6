"""QueueService: locks a batch for its run, and queues the run's jobs without duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from bullmq import Queue
from redis.asyncio import Redis

from adsum.domain.ids import Batch
from adsum.queue.chunks import Chunk
from adsum.queue.connection import QueueOutage, translated
from adsum.queue.keys import bullmq_prefix, lock_key
from adsum.queue.ledger import Claim, Ledger, Release, Settlement

# What Redis gets, in all, while a request waits for it. A run that is not queued by then is durable all the same.
PATIENCE_S = 0.25
# Messages in one pipeline: so that a run of very many, as with ADSUM_CHUNK_SIZE=1, does not keep others waiting.
ENQUEUED_AT_ONCE = 200

HasEnded = Callable[[str], Awaitable[bool]]
"""Asks the database whether a run has ended."""


@asynccontextmanager
async def in_time() -> AsyncGenerator[None]:
    """Whatever a request asks of Redis within this block has `PATIENCE_S` in all; after that it is a `QueueOutage`."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield
    except TimeoutError as error:
        raise QueueOutage("Valkey or Redis is too slow") from error


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """What the queue needs to know of a run: its batch, and the students of each chunk.

    Only where `ADSUM_CHUNK_SIZE` is 1 do messages bear the seed's job ids, which are the same in every run: else the
    message of a class of one could be dropped as a duplicate of that of an earlier run.
    """

    batch: Batch
    run_id: str
    chunks: Sequence[Sequence[int]]
    is_cut_by_student: bool = False

    @property
    def student_ids(self) -> list[int]:
        return [student_id for chunk in self.chunks for student_id in chunk]

    @property
    def messages(self) -> list[Chunk]:
        return [
            Chunk(self.batch, self.run_id, number, students[0] if self.is_cut_by_student else None)
            for number, students in enumerate(self.chunks)
        ]


@dataclass(frozen=True, slots=True)
class Stopped:
    """A run that does not move, or does not yet.

    Attributes:
        batch: whose run it is.
        run_id: the run.
        student_ids: of all jobs that have no outcome yet, since that is what the counter counts from here on.
        chunks: whose messages BullMQ has not.
    """

    batch: Batch
    run_id: str
    student_ids: Sequence[int]
    chunks: Sequence[Chunk]


class QueueService:
    """The queue and the ledger, as the services use them."""

    def __init__(self, redis: Redis, ledger: Ledger, *, queue_name: str, key_prefix: str) -> None:
        self._redis = redis
        self._ledger = ledger
        self._queue: Any = Queue(queue_name, cast("Any", {"connection": redis, "prefix": bullmq_prefix(key_prefix)}))

    async def start(self, accepted: Sequence[QueuedRun], has_ended: HasEnded) -> list[bool]:
        """Claims the batches of accepted runs and enqueues their chunks. Doing it again changes nothing.

        Returns:
            For each whether it holds its batch. False: another open run does, and nothing was queued.

        Raises:
            QueueOutage: Redis did not do it within `PATIENCE_S`; the runs wait in the database.
        """
        async with in_time():
            whole = [Stopped(run.batch, run.run_id, run.student_ids, run.messages) for run in accepted]
            return await self.drive(whole, has_ended)

    async def drive(self, stopped: Sequence[Stopped], has_ended: HasEnded) -> list[bool]:
        """Claims batches for their runs, if nobody did, and enqueues what is missing of them: two pipelines in all.

        Args:
            stopped: runs, and what they lack.
            has_ended: asks the database about a run that holds a lock which another one claims.

        Returns:
            For each run whether it holds its batch now. False: another open run does, and nothing was queued.
        """
        holders = await self._ledger.claim_all([Claim(each.batch, each.run_id, each.student_ids) for each in stopped])
        held = [
            holder is None or await self._replace(each, holder, has_ended)
            for each, holder in zip(stopped, holders, strict=True)
        ]
        await self._enqueue(
            [chunk for each, is_held in zip(stopped, held, strict=True) if is_held for chunk in each.chunks]
        )
        return held

    async def _replace(self, run: Stopped, holder: str, has_ended: HasEnded) -> bool:
        """Takes the lock over from runs that ended, if that is what they did."""
        standing: str | None = holder
        while standing is not None:
            if not await has_ended(standing):
                return False
            standing = await self._ledger.claim(run.batch, run.run_id, run.student_ids, ended=standing)
        return True

    async def _enqueue(self, chunks: Sequence[Chunk]) -> None:
        messages = [chunk.to_message() for chunk in chunks]
        for start in range(0, len(messages), ENQUEUED_AT_ONCE):
            with translated():
                await self._queue.addBulk(messages[start : start + ENQUEUED_AT_ONCE])

    async def look_after(self, waiting: Sequence[QueuedRun]) -> list[list[Chunk]]:
        """See `missing`. What a run that waits has in the ledger is given its full time to live again, if half of it is
        over.
        """
        missing = await self.missing(waiting)
        await self._ledger.renew([(run.batch, run.run_id, run.student_ids) for run in waiting])
        return missing

    async def missing(self, waiting: Sequence[QueuedRun]) -> list[list[Chunk]]:
        """Which chunks of each run BullMQ has not: done, or lost. One pipeline, however many runs."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for run in waiting:
                    for chunk in run.messages:
                        pipe.exists(self._queue.toKey(chunk.message_id))
                there = iter(await pipe.execute())
        return [[chunk for chunk in run.messages if not next(there)] for run in waiting]

    async def holders(self, batches: Sequence[Batch]) -> list[str | None]:
        """See `Ledger.holders`."""
        return await self._ledger.holders(batches)

    async def lead(self, candidate: str, seconds: float) -> bool:
        """Whether `candidate` leads now, for so many seconds. Two leaders at once would do no harm."""
        return await self._ledger.lead(candidate, seconds)

    async def settle_all(self, settlements: Sequence[Settlement]) -> list[int | None]:
        """See `Ledger.settle_all`."""
        return await self._ledger.settle_all(settlements)

    async def release_all(self, releases: Sequence[Release]) -> list[bool]:
        """See `Ledger.release_all`."""
        return await self._ledger.release_all(releases)

    async def depth(self) -> int:
        """How many chunks wait, are paused, or are being processed.

        Raises:
            QueueOutage: Redis does not answer.
        """
        with translated():
            counts: dict[str, int] = await self._queue.getJobCounts("waiting", "active", "paused", "delayed")
        return sum(counts.values())

    async def ping(self) -> None:
        """Raises `QueueOutage` unless Redis answers."""
        with translated():
            async with asyncio.timeout(PATIENCE_S * 4):
                await self._redis.ping()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types

    @staticmethod
    def lock_key(batch_id: str) -> str:
        return lock_key(batch_id)
