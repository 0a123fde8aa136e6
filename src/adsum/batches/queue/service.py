"""QueueService: locks a batch for its run, and queues the run's jobs without duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, cast

from bullmq import Job, Queue
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.keys import bullmq_prefix, lock_key
from adsum.batches.queue.ledger import Claim, Ledger, Release, Settlement, holder_told
from adsum.platform.ids import Batch
from adsum.platform.redis.connection import REQUEST_DEADLINE_S, redis_deadline, translated

# Claims and messages in one pipeline: so that a run of very many, as with ADSUM_CHUNK_SIZE=1, does not keep others
# waiting.
SENT_AT_ONCE = 200


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

    async def start(self, accepted: Sequence[QueuedRun]) -> list[str | None]:
        """Claims the batches of accepted runs and enqueues their chunks. Doing it again changes nothing.

        Returns:
            See `drive`.

        Raises:
            QueueOutage: Redis did not do it within `REQUEST_DEADLINE_S`; the runs wait in the database.
        """
        async with redis_deadline():
            return await self.drive([Stopped(run.batch, run.run_id, run.student_ids, run.messages) for run in accepted])

    async def drive(self, stopped: Sequence[Stopped]) -> list[str | None]:
        """Claims batches for their runs, and enqueues what is missing of them: in one pipeline, or of very many
        in one for each `SENT_AT_ONCE`.

        What is missing goes whatever becomes of a claim: no lock keeps a student from being recorded twice, and what
        remains to be done the database counts, too.

        Returns:
            For each run None where it holds its batch now; else the run that does. That has ended without being
            released: see `take_over`. Or this one has ended itself: then nothing is left to do.
        """
        replies: list[Any] = []
        claimed_at: list[int] = []
        with translated():
            for pieces in _pieces(stopped):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for piece in pieces:
                        if isinstance(piece, Claim):
                            claimed_at.append(len(replies) + len(pipe))
                            await self._ledger.claim(piece, pipe)
                        else:
                            await self._enqueue(piece, pipe)
                    replies += await pipe.execute()
        return [holder_told(replies[place]) for place in claimed_at]

    async def _enqueue(self, chunk: Chunk, pipe: Pipeline) -> None:
        """As BullMQ's own `addBulk`, which has a pipeline to itself."""
        message = chunk.to_message()
        job = Job(self._queue, message["name"], message["data"], message["opts"], message["opts"]["jobId"])
        await self._queue.backend.scripts.addJob(job, pipe)

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

    async def take_over(self, ended: Release, run_id: str) -> bool:
        """See `Ledger.take_over`."""
        return await self._ledger.take_over(ended, run_id)

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
            async with asyncio.timeout(REQUEST_DEADLINE_S * 4):
                await self._redis.ping()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types

    @staticmethod
    def lock_key(batch_id: str) -> str:
        return lock_key(batch_id)


def _pieces(stopped: Sequence[Stopped]) -> Iterator[tuple[Claim | Chunk, ...]]:
    """What is to be sent for these runs, `SENT_AT_ONCE`. Each claim before the messages of its run: so workers find
    their jobs counted, but for a server that has forgotten its scripts; then the database counts them.
    """
    each_piece = chain.from_iterable((Claim(run.batch, run.run_id, run.student_ids), *run.chunks) for run in stopped)
    while pieces := tuple(islice(each_piece, SENT_AT_ONCE)):
        yield pieces
