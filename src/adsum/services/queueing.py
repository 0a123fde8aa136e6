"""Enqueue: what was accepted goes to the queue. If the queue is away, it waits in the database for the sweeper."""

from __future__ import annotations

from adsum.errors import Unavailable
from adsum.queue.service import QueueService, in_time
from adsum.services.completion import Completion, queued
from adsum.storage.runs import Run
from adsum.storage.tallies import ClosedRun
from adsum.telemetry import Mark, logger

log = logger(__name__)


class Queueing:
    """Brings the queue and the ledger up to date with what a transaction has decided."""

    def __init__(self, queue: QueueService, completion: Completion) -> None:
        self._queue = queue
        self._completion = completion

    async def follow(self, *, run: Run | None, ended: tuple[Run, ClosedRun] | None = None) -> None:
        """Queues the run that was made and releases the one that was ended, within the time that a request has.

        In this order, since the new run matters more; its claim replaces the lock of the ended one.

        Never raises for an outage: what the database has accepted stays accepted.
        """
        try:
            async with in_time():
                if run is not None:
                    await self._queue_run(run)
                if ended is not None:
                    await self._completion.release_closed([ended])
        except Unavailable as error:
            # Of the database, too: whoever asks it now whether the lock's holder has ended asks after the promise.
            told = run or (ended[0] if ended is not None else None)
            log.error(
                "queue is away: the run waits in the database",
                mark=Mark.ERROR,
                run_id=told.run_id if told is not None else None,
                code=error.code,
            )

    async def _queue_run(self, run: Run) -> None:
        if await self._queue.start(queued(run), self._completion.has_ended):
            log.info(
                "batch locked and queued",
                mark=Mark.LOCK,
                batch_id=run.batch.id,
                run_id=run.run_id,
                jobs=len(run.jobs),
                chunks=len(run.chunks),
            )
