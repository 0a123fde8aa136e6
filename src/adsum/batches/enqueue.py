"""Enqueues the runs that a transaction has committed, and releases the locks of those that it ended.

If Redis is unavailable, the runs wait in the database until the sweeper enqueues them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from adsum.batches.complete import Completion
from adsum.batches.queue.service import QueueService
from adsum.batches.run import Run
from adsum.platform.coalescer import REQUESTS_AT_MOST, WAITING_AT_MOST, Coalescer
from adsum.platform.errors import Unavailable
from adsum.platform.redis.connection import redis_deadline
from adsum.platform.telemetry import LogIcon, logger
from adsum.platform.tracing.spans import UNTRACED, TracedStep, context_of_work, step

log = logger(__name__)


class Committed(NamedTuple):
    """The runs of one transaction: the new one, and the one that it ended."""

    new: Run | None
    ended: Run | None


class Enqueuer:
    """Brings the queue and the ledger up to date after a commit. Requests of a shard that arrive together share a
    pipeline.
    """

    def __init__(self, queue: QueueService, completion: Completion) -> None:
        self._queue = queue
        self._completion = completion
        # One for each shard, so that none waits for a server that does not answer.
        self._together: list[Coalescer[Committed, bool]] = [
            Coalescer(self._enqueue_and_release, at_most=REQUESTS_AT_MOST, waiting_at_most=WAITING_AT_MOST)
            for _ in queue.shards
        ]

    async def enqueue_after_commit(self, run: Run | None, *, ended: Run | None = None) -> None:
        """Enqueues a new run and releases one that ended, within the time that a request has.

        Never raises for an outage: the database has accepted the run, and the sweeper enqueues it.
        """
        if run is None:
            await self._submit(None, ended, UNTRACED)
            return
        with step(f"send {self._queue.name}", kind="producer", about=run.run_id) as sending:
            if sending:
                sending.note(self._queue.span_attributes("send") | _span_attributes(run))
                run = replace(run, trace=context_of_work())
            is_locked = await self._submit(run, ended, sending)
        _log_enqueued(run, is_locked=is_locked)

    async def _submit(self, run: Run | None, ended: Run | None, sending: TracedStep) -> bool | None:
        """Whether the new run holds the lock of its batch; None: Redis is unavailable."""
        named = run or ended
        if named is None:
            return False
        try:
            async with redis_deadline():  # includes the time to wait for the flush before
                shard = self._queue.shards.of(named.batch.session_id)
                return await self._together[shard.number].submit(Committed(run, ended))
        except Unavailable as error:
            detail = "queue unavailable: the run waits in the database"
            log.error(detail, mark=LogIcon.ERROR, run_id=named.run_id, code=error.code)
            sending.fail("queue_unavailable")
            return None

    async def close(self) -> None:
        """Cancels the running flush and the waiting runs. Call it after the last one was enqueued."""
        for each in self._together:
            await each.close()

    async def _enqueue_and_release(self, committed: Sequence[Committed]) -> list[bool]:
        """New runs first, since they matter more; they take over the locks of the runs that ended."""
        new = [each.new for each in committed if each.new is not None]
        locked = await self._enqueue(new) if new else set[str]()
        async with redis_deadline():
            await self._completion.release_ended([each.ended for each in committed if each.ended is not None])
        return [each.new is not None and each.new.run_id in locked for each in committed]

    async def _enqueue(self, new: Sequence[Run]) -> set[str]:
        """Claims the batches of runs and enqueues their chunks. Returns the ids of the runs that hold their locks."""
        holders = await self._queue.enqueue(new)
        locked = {run.run_id for run, holder in zip(new, holders, strict=True) if holder is None}
        # All runs are enqueued by now: a run that does not get the lock is recorded without it.
        with suppress(Unavailable):
            async with redis_deadline():
                for run, holder in zip(new, holders, strict=True):
                    if holder is not None and await self._completion.take_over(run, holder):
                        locked.add(run.run_id)
        return locked


def _log_enqueued(run: Run, *, is_locked: bool | None) -> None:
    if is_locked is None:  # the error is logged
        return
    jobs, chunks = len(run.jobs), len(run.chunks)
    detail = "batch locked and queued" if is_locked else "batch queued, and another run holds its lock"
    log.info(detail, mark=LogIcon.LOCK, batch_id=run.batch.id, run_id=run.run_id, jobs=jobs, chunks=chunks)


def _span_attributes(run: Run) -> dict[str, str | int]:
    return {
        "messaging.batch.message_count": len(run.chunks),
        "adsum.batch_id": run.batch.id,
        "adsum.run_id": run.run_id,
    }
