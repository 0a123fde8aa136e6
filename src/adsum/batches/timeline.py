"""The story of one batch, beyond its counts: why students failed, who took it back, and whether the queue has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.activity.repository import failures_of_runs
from adsum.batches.listing import no_batch
from adsum.batches.queue.service import QueueService
from adsum.batches.repository import tallies
from adsum.batches.repository.listing import runs_that_may_have_failed
from adsum.batches.repository.undoing import undone_runs
from adsum.batches.rules import BatchStatus, FailureCount, UndoneRun
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.redis.connection import QueueOutage, redis_deadline
from adsum.roster.repository import school_of_session


@dataclass(frozen=True, slots=True)
class BatchTimeline:
    """What there is to tell.

    Attributes:
        school_id, time_zone: of the batch's school.
        failures: by run, why students failed in it; nothing of runs that are pruned.
        undone: what was taken back, the oldest first.
        is_claimed: whether the batch's lock in Valkey or Redis is that of the open run; None: no run is open, or nobody
            answers.
    """

    school_id: int
    time_zone: str
    failures: Mapping[str, Sequence[FailureCount]]
    undone: Sequence[UndoneRun]
    is_claimed: bool | None


class Timeline:
    """Tells them, for whoever may follow batches."""

    def __init__(self, database: Database, queue: QueueService) -> None:
        self._database = database
        self._queue = queue

    async def story(self, batch_id: str, caller: Caller, max_runs: int) -> BatchTimeline:
        """Why students failed is told of the newest `max_runs` runs in which some did. No names, no marks.

        Raises:
            Forbidden: without `batch:read`.
            NotFound: there is no such batch, or the caller does not see its class.
        """
        require_permission(caller, Permission.BATCH_READ)
        batch = parse_batch_id(batch_id)
        if batch is None:
            raise no_batch(batch_id)
        async with self._database.snapshot() as connection:
            status = await tallies.batch_status(connection, caller, batch)
            if status is None:
                raise no_batch(batch_id)
            failed = await runs_that_may_have_failed(connection, batch, max_runs)
            failures = await failures_of_runs(connection, failed)
            undone = await undone_runs(connection, batch)
            school_id, time_zone = await school_of_session(connection, batch.session_id)
        return BatchTimeline(school_id, time_zone, failures, undone, await self._is_claimed(batch, status))

    async def failures(self, caller: Caller, statuses: Sequence[BatchStatus]) -> Mapping[str, Sequence[FailureCount]]:
        """By run, why students failed, of batches that the caller has been shown.

        Raises:
            Forbidden: without `batch:read`.
        """
        require_permission(caller, Permission.BATCH_READ)
        async with self._database.snapshot() as connection:
            return await failures_of_runs(connection, [each.run_id for each in statuses if each.tally.failed])

    async def _is_claimed(self, batch: Batch, status: BatchStatus) -> bool | None:
        if status.has_ended:
            return None
        try:
            async with redis_deadline():
                (holder,) = await self._queue.holders([batch])
        except QueueOutage:
            return None
        return holder == status.run_id
