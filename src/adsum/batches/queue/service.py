"""QueueService: claims the lock of a batch for its run, and enqueues the chunks of the run without duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from redis.asyncio.client import Pipeline

from adsum.batches.queue.chunks import Chunk, chunks_of, span_attributes
from adsum.batches.queue.ledger import Ledger, Tickets, holder_of_reply
from adsum.batches.rules import lock_key
from adsum.batches.run import Run
from adsum.platform.ids import Batch
from adsum.platform.redis.connection import redis_deadline, translated
from adsum.platform.redis.queues import new_job, open_message_queue
from adsum.platform.redis.shards import Shard, answers_of

# Maximum number of claims and messages per pipeline, so that a run of very many, as with ADSUM_CHUNK_SIZE=1, does not
# delay the others.
SENT_AT_ONCE = 200
# Seconds that a shard has for an answer about its state.
ANSWER_S = 1.0


@dataclass(frozen=True, slots=True)
class RunToEnqueue:
    """A run whose batch has to be claimed and whose chunks have to be enqueued: a new run, or a stalled one.

    Attributes:
        batch: of the run.
        run_id: the run.
        student_ids: of all jobs without an outcome, which the counter counts from now on.
        chunks: the chunks that BullMQ does not have.
    """

    batch: Batch
    run_id: str
    student_ids: Sequence[int]
    chunks: Sequence[Chunk]


class QueueService:
    """The queue and the ledger of its batches. All methods raise `QueueOutage` if Redis does not answer or refuses."""

    def __init__(self, ledger: Ledger, *, queue_name: str) -> None:
        self.ledger = ledger
        self.shards = ledger.shards
        self.name = queue_name
        self._queues: list[Any] = [open_message_queue(each.redis, queue_name, each.key_prefix) for each in self.shards]

    def span_attributes(self, operation: str) -> dict[str, str | int]:
        """Of spans about the queue, by the semantic conventions of OpenTelemetry."""
        return span_attributes(self.name, operation)

    async def enqueue(self, accepted: Sequence[Run]) -> list[str | None]:
        """Claims the batches of new runs and enqueues their chunks, within the time of a request. Doing it again
        changes nothing.

        Returns:
            See `claim_and_enqueue`.
        """
        async with redis_deadline():
            return await self.claim_and_enqueue(
                [RunToEnqueue(run.batch, run.run_id, run.student_ids, chunks_of(run)) for run in accepted]
            )

    async def claim_and_enqueue(self, runs: Sequence[RunToEnqueue]) -> list[str | None]:
        """Claims the batches of runs and enqueues the chunks that BullMQ does not have, `SENT_AT_ONCE` per pipeline of
        a shard.

        The chunks are enqueued whatever the reply to the claim: the database, not the lock, keeps a student from being
        recorded twice, and it can count the jobs that remain.

        Returns:
            For each run None if it holds the lock of its batch; else the run that does. Either that run has ended and
            was not released, see `Ledger.take_over`; or this run has ended, and nothing is left to do.
        """
        with translated():
            return await self.shards.spread(runs, _session_of, self._claim_and_enqueue)

    async def _claim_and_enqueue(self, shard: Shard, runs: Sequence[RunToEnqueue]) -> list[str | None]:
        queue = self._queues[shard.number]
        replies: list[Any] = []
        claimed_at: list[int] = []
        for pieces in _pieces(runs):
            async with shard.redis.pipeline(transaction=False) as pipe:
                for piece in pieces:
                    if isinstance(piece, Tickets):
                        claimed_at.append(len(replies) + len(pipe))
                        await self.ledger.claim(piece, pipe)
                    else:
                        await _enqueue(queue, piece, pipe)
                replies += await pipe.execute()
        return [holder_of_reply(replies[place]) for place in claimed_at]

    async def renew_and_find_missing(self, waiting: Sequence[Run]) -> list[list[Chunk]]:
        """As `find_missing`; and renews the keys of these runs in the ledger."""
        missing = await self.find_missing(waiting)
        await self.ledger.renew([Tickets(run.batch, run.run_id, run.student_ids) for run in waiting])
        return missing

    async def find_missing(self, waiting: Sequence[Run]) -> list[list[Chunk]]:
        """The chunks of each run that BullMQ does not have: processed or lost. One pipeline per shard."""
        with translated():
            return await self.shards.spread(waiting, _session_of, self._find_missing)

    async def _find_missing(self, shard: Shard, waiting: Sequence[Run]) -> list[list[Chunk]]:
        queue = self._queues[shard.number]
        chunks = [chunks_of(run) for run in waiting]
        async with shard.redis.pipeline(transaction=False) as pipe:
            for chunk in chain.from_iterable(chunks):
                pipe.exists(queue.toKey(chunk.message_id))
            exist = iter(await pipe.execute())
        return [[chunk for chunk in each if not next(exist)] for each in chunks]

    async def depth(self) -> int:
        """The number of chunks that wait, are paused, or are being processed, of the shards that answer."""
        depths = await answers_of(self._depth(each) for each in self._queues)
        return sum(depths)

    async def _depth(self, queue: Any) -> int:
        with translated():
            async with asyncio.timeout(ANSWER_S):
                counts: dict[str, int] = await queue.getJobCounts("waiting", "active", "paused", "delayed")
        return sum(counts.values())

    async def ping(self) -> None:
        """Checks that a shard answers: with one, batches are processed."""
        await answers_of(self._ping(each) for each in self.shards)

    async def _ping(self, shard: Shard) -> None:
        with translated():
            async with asyncio.timeout(ANSWER_S):
                await shard.redis.ping()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types

    @staticmethod
    def lock_key(batch_id: str) -> str:
        return lock_key(batch_id)


def _session_of(run: Run | RunToEnqueue) -> int:
    return run.batch.session_id


async def _enqueue(queue: Any, chunk: Chunk, pipe: Pipeline) -> None:
    """As BullMQ's `addBulk`, which uses a pipeline of its own."""
    await queue.backend.scripts.addJob(new_job(queue, chunk.to_message()), pipe)


def _pieces(runs: Sequence[RunToEnqueue]) -> Iterator[tuple[Tickets | Chunk, ...]]:
    """The claims and messages of runs, `SENT_AT_ONCE` at a time. Each claim comes before the messages of its run, so
    that workers find the counter; if the server has to load the script first, the database counts.
    """
    each_piece = chain.from_iterable((Tickets(run.batch, run.run_id, run.student_ids), *run.chunks) for run in runs)
    while pieces := tuple(islice(each_piece, SENT_AT_ONCE)):
        yield pieces
