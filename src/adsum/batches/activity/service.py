"""What runs now and how it goes: for operators, who watch it, and for all others who wait for a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.activity.repository import oldest_open_run, runs_by_minute
from adsum.batches.activity.rules import Minute, first_minute, minutes_of
from adsum.batches.queue.control import QueueControl, QueueState, WorkerSeen
from adsum.platform.database.engine import Database
from adsum.platform.redis.connection import QueueOutage, redis_deadline
from adsum.schools.repository import zones_of_schools

UTC_ZONE = "UTC"


@dataclass(frozen=True, slots=True)
class Activity:
    """One moment, and the minutes before it, of the batches that somebody sees.

    Attributes:
        at: the moment.
        time_zone: of the caller's schools; where they are in several, UTC.
        minutes: the oldest first; the last one is not over.
        oldest: when the oldest batch that is open was accepted; None: none is open.
    """

    at: datetime
    time_zone: str
    minutes: Sequence[Minute]
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class QueueView:
    """The queue of this installation, which all schools share.

    Attributes:
        state: paused or not, and how much is where.
        workers: those that are connected; None: the server does not tell.
    """

    state: QueueState
    workers: Sequence[WorkerSeen] | None

    @property
    def alive(self) -> int | None:
        """How many workers are at work; None: nobody knows."""
        return sum(worker.is_alive for worker in self.workers) if self.workers is not None else None


class ActivityService:
    """Looks at the database and at the queue. `now` is the clock."""

    def __init__(self, database: Database, control: QueueControl, now: Callable[[], datetime]) -> None:
        self._database = database
        self._control = control
        self._now = now

    async def now(self, caller: Caller) -> Activity:
        """What the database says: whatever became of Redis, it is all there.

        Raises:
            Forbidden: without `batch:read`.
        """
        require_permission(caller, Permission.BATCH_READ)
        at = self._now()
        begin = first_minute(at)
        async with self._database.snapshot() as connection:
            runs = await runs_by_minute(connection, caller, begin)
            oldest = await oldest_open_run(connection, caller)
            zones = await zones_of_schools(connection, caller)
        return Activity(at, zones[0] if len(zones) == 1 else UTC_ZONE, minutes_of(begin, runs), oldest)

    async def queue(self, caller: Caller) -> QueueView | None:
        """What Valkey or Redis says, within the time that a request has for it; None: it does not answer.

        Raises:
            Forbidden: without `batch:read`.
        """
        require_permission(caller, Permission.BATCH_READ)
        try:
            async with redis_deadline():
                state = await self._control.state()
        except QueueOutage:
            return None
        try:
            async with redis_deadline():
                return QueueView(state, await self._control.workers())
        except QueueOutage:
            return QueueView(state, None)
