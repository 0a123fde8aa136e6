"""The timeline of one batch: accepted, failed, ended, undone; and whether the open run is in the queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.listing import parse_or_refuse, require_status
from adsum.batches.queue.ledger import Ledger
from adsum.batches.repository.listing import count_failures, runs_that_may_have_failed
from adsum.batches.repository.undoing import undone_runs
from adsum.batches.rules import BatchStatus, FailureCount, ListedRun, UndoneRun
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.platform.redis.connection import QueueOutage, redis_deadline
from adsum.roster.repository.classes import school_of_session


class EventKind(StrEnum):
    """Events of a run, in the order in which they happen."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    ENDED = "ended"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """An event of a run. `failures` belongs to FAILED, `undone` to UNDONE."""

    kind: EventKind
    at: datetime
    run: ListedRun
    failures: Sequence[FailureCount] = ()
    undone: UndoneRun | None = None


@dataclass(frozen=True, slots=True)
class BatchTimeline:
    """The parts of a batch's timeline that its list of runs does not have.

    Attributes:
        school_id, time_zone: of the batch's school.
        failures: by run, the numbers of failed students by reason; empty for pruned runs.
        undone: the undos, the oldest first.
        is_claimed: whether the open run holds the batch's lock in Valkey or Redis; None: no run is open, or the server
            does not answer.
    """

    school_id: int
    time_zone: str
    failures: Mapping[str, Sequence[FailureCount]]
    undone: Sequence[UndoneRun]
    is_claimed: bool | None

    def events(self, runs: Sequence[ListedRun]) -> list[TimelineEvent]:
        """The events of these runs of the batch, the oldest first."""
        events: list[TimelineEvent] = []
        for run in runs:
            failures = self.failures.get(run.run_id, ())
            events.append(TimelineEvent(EventKind.ACCEPTED, run.accepted_at, run))
            if failures:
                last_failure = max(each.last_at for each in failures)
                events.append(TimelineEvent(EventKind.FAILED, last_failure, run, failures))
            if run.ended_at is not None:
                events.append(TimelineEvent(EventKind.ENDED, run.ended_at, run))
            events += [
                TimelineEvent(EventKind.UNDONE, undone.at, run, undone=undone)
                for undone in self.undone
                if undone.run_id == run.run_id
            ]
        kinds = list(EventKind)
        return sorted(events, key=lambda event: (event.run.number, event.at, kinds.index(event.kind)))


class Timeline:
    """Reads the timelines of batches. They hold no names and no marks."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    async def of_batch(self, batch_id: str, caller: Caller, max_runs: int) -> BatchTimeline:
        """The timeline of one batch, with the failures of the newest `max_runs` runs that have any.

        Raises:
            Forbidden: without `batch:read`.
            NotFound: there is no such batch, or the caller does not see its class.
        """
        require_permission(caller, Permission.BATCH_READ)
        batch = parse_or_refuse(batch_id)
        async with self._database.snapshot() as connection:
            status = await require_status(connection, caller, batch)
            failed = await runs_that_may_have_failed(connection, batch, max_runs)
            failures = await count_failures(connection, failed)
            undone = await undone_runs(connection, batch)
            school_id, time_zone = await school_of_session(connection, batch.session_id)
        return BatchTimeline(school_id, time_zone, failures, undone, await self._is_claimed(batch, status))

    async def failures(self, caller: Caller, statuses: Sequence[BatchStatus]) -> Mapping[str, Sequence[FailureCount]]:
        """By run, the numbers of failed students by reason, for statuses that the caller has received.

        Raises:
            Forbidden: without `batch:read`.
        """
        require_permission(caller, Permission.BATCH_READ)
        async with self._database.snapshot() as connection:
            return await count_failures(connection, [each.run_id for each in statuses if each.tally.failed])

    async def _is_claimed(self, batch: Batch, status: BatchStatus) -> bool | None:
        if status.has_ended:
            return None
        try:
            async with redis_deadline():
                (holder,) = await self._ledger.holders([batch])
        except QueueOutage:
            return None
        return holder == status.run_id
