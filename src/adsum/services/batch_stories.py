"""The story of one batch, beyond its counts: why students failed, who took it back, and whether the queue has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adsum.domain.access import Caller, Permission
from adsum.domain.batches import BatchStatus
from adsum.domain.ids import Batch, parse_batch_id
from adsum.queue.connection import QueueOutage
from adsum.queue.service import QueueService, in_time
from adsum.services.batches import no_batch
from adsum.services.permissions import demand
from adsum.storage import tallies
from adsum.storage.activity import FailureOfRun, failures_of_runs
from adsum.storage.batches import runs_that_may_have_failed
from adsum.storage.database import Database
from adsum.storage.schools import school_of_session
from adsum.storage.undoing import UndoneRun, undone_runs


@dataclass(frozen=True, slots=True)
class BatchStory:
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
    failures: Mapping[str, Sequence[FailureOfRun]]
    undone: Sequence[UndoneRun]
    is_claimed: bool | None


class BatchStories:
    """Tells them, for whoever may follow batches."""

    def __init__(self, database: Database, queue: QueueService) -> None:
        self._database = database
        self._queue = queue

    async def story(self, batch_id: str, caller: Caller, max_runs: int) -> BatchStory:
        """Why students failed is told of the newest `max_runs` runs in which some did. No names, no marks.

        Raises:
            Forbidden: without `batch:read`.
            NotFound: there is no such batch, or the caller does not see its class.
        """
        demand(caller, Permission.BATCH_READ)
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
        return BatchStory(school_id, time_zone, failures, undone, await self._is_claimed(batch, status))

    async def failures(self, caller: Caller, statuses: Sequence[BatchStatus]) -> Mapping[str, Sequence[FailureOfRun]]:
        """By run, why students failed, of batches that the caller has been shown.

        Raises:
            Forbidden: without `batch:read`.
        """
        demand(caller, Permission.BATCH_READ)
        async with self._database.snapshot() as connection:
            return await failures_of_runs(connection, [each.run_id for each in statuses if each.tally.failed])

    async def _is_claimed(self, batch: Batch, status: BatchStatus) -> bool | None:
        if status.has_ended:
            return None
        try:
            async with in_time():
                (holder,) = await self._queue.holders([batch])
        except QueueOutage:
            return None
        return holder == status.run_id
