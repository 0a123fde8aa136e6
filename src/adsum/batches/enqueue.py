"""Enqueue: what was accepted goes to the queue. If the queue is away, it waits in the database for the sweeper."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from adsum.batches.complete import Completion, queued
from adsum.batches.queue.service import QueuedRun, QueueService
from adsum.batches.repository.closing import ClosedRun
from adsum.batches.repository.runs import Run
from adsum.platform.coalescer import REQUESTS_AT_MOST, WAITING_AT_MOST, Coalescer
from adsum.platform.errors import Unavailable
from adsum.platform.redis.connection import redis_deadline
from adsum.platform.telemetry import LogIcon, logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Decision:
    """What a transaction has decided: a run to be queued, and one that ended and is to be released."""

    run: Run | None
    ended: tuple[Run, ClosedRun] | None


class Queueing:
    """Brings the queue and the ledger up to date with what transactions have decided."""

    def __init__(self, queue: QueueService, completion: Completion) -> None:
        self._queue = queue
        self._completion = completion
        self._together: Coalescer[_Decision, bool] = Coalescer(
            self._follow_all, at_most=REQUESTS_AT_MOST, waiting_at_most=WAITING_AT_MOST
        )

    async def follow(self, *, run: Run | None, ended: tuple[Run, ClosedRun] | None = None) -> None:
        """Queues the run that was made and releases the one that was ended, within the time that a request has.

        Never raises for an outage: what the database has accepted stays accepted.
        """
        told = run or (ended[0] if ended is not None else None)
        if told is None:
            return
        try:
            async with redis_deadline():  # waiting for those before it is part of the time
                is_locked = await self._together.submit(_Decision(run, ended))
        except Unavailable as error:
            detail = "queue is away: the run waits in the database"
            log.error(detail, mark=LogIcon.ERROR, run_id=told.run_id, code=error.code)
            return
        if run is not None:
            jobs, chunks = len(run.jobs), len(run.chunks)
            detail = "batch locked and queued" if is_locked else "batch queued, and another run holds it"
            log.info(detail, mark=LogIcon.LOCK, batch_id=run.batch.id, run_id=run.run_id, jobs=jobs, chunks=chunks)

    async def close(self) -> None:
        """Ends what is being queued. To be called when nobody follows any more."""
        await self._together.close()

    async def _follow_all(self, decisions: Sequence[_Decision]) -> list[bool]:
        """In this order, since new runs matter more; they take the locks of the ended ones over."""
        new = [queued(each.run) for each in decisions if each.run is not None]
        locked = await self._start(new) if new else set[str]()
        async with redis_deadline():
            await self._completion.release_closed([each.ended for each in decisions if each.ended is not None])
        return [each.run is not None and each.run.run_id in locked for each in decisions]

    async def _start(self, new: Sequence[QueuedRun]) -> set[str]:
        """Claims and enqueues runs; returns those that hold their batches then."""
        holders = await self._queue.start(new)
        locked = {run.run_id for run, holder in zip(new, holders, strict=True) if holder is None}
        # All of them are queued: who asks in vain for the lock of another run is recorded without one.
        with suppress(Unavailable):
            async with redis_deadline():
                for run, holder in zip(new, holders, strict=True):
                    if holder is not None and await self._completion.take_over(run, holder):
                        locked.add(run.run_id)
        return locked
