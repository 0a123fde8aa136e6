"""Live figures of batches, from the database, and the state of the queue, from Valkey or Redis, which can be paused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.batches.activity.repository import oldest_open_run, runs_by_minute
from adsum.batches.activity.rules import Minute, first_minute, minutes_of
from adsum.batches.queue.control import ConnectedWorker, QueueControl, QueueState
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.redis.connection import QueueOutage, redis_deadline
from adsum.platform.telemetry import logger
from adsum.schools.repository import common_zone

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Activity:
    """The activity of the visible batches in the last minutes.

    Attributes:
        at: the current time.
        time_zone: of the caller's schools; UTC if they have different ones.
        minutes: the oldest first; the last is the current minute.
        oldest: the time at which the oldest open batch was accepted; None: no batch is open.
    """

    at: datetime
    time_zone: str
    minutes: Sequence[Minute]
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class QueueView:
    """The queue of this installation, which all schools share.

    Attributes:
        state: whether it is paused, and the numbers of messages.
        workers: the connected workers; None: the server does not list its clients.
    """

    state: QueueState
    workers: Sequence[ConnectedWorker] | None

    @property
    def alive(self) -> int | None:
        """The number of live workers; None: it is not known."""
        return sum(worker.is_alive for worker in self.workers) if self.workers is not None else None


class ActivityService:
    """Reads figures from the database and from the queue, and pauses the queue."""

    def __init__(self, database: Database, control: QueueControl, now: Clock) -> None:
        self._database = database
        self._control = control
        self._now = now

    async def now(self, caller: Caller) -> Activity:
        """The activity of the last minutes. It does not need Redis.

        Raises:
            Forbidden: without `batch:read`.
        """
        require_permission(caller, Permission.BATCH_READ)
        at = self._now()
        begin = first_minute(at)
        async with self._database.snapshot() as connection:
            runs = await runs_by_minute(connection, caller, begin)
            oldest = await oldest_open_run(connection, caller)
            zone = await common_zone(connection, caller)
        return Activity(at, zone, minutes_of(begin, runs), oldest)

    async def queue(self, caller: Caller) -> QueueView | None:
        """The state of the queue; None: Valkey or Redis does not answer in time.

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

    async def pause(self, caller: Caller) -> bool:
        """Workers finish their chunks and take no new ones. Accepted batches wait.

        The queue belongs to the installation, as its figures do. It is paused during an outage of the database, too.

        Returns:
            Whether the audit log is complete. A queue that was paused before makes no entry.

        Raises:
            Forbidden: without `metrics:read` and `batch:operate`.
            QueueOutage: Valkey or Redis does not answer.
        """
        _require_operator(caller)
        was_paused = await self._control.is_paused()
        await self._control.pause()
        log.info("queue paused", actor=caller.actor)
        return was_paused or await self._record(caller, Action.QUEUE_PAUSED)

    async def resume(self, caller: Caller) -> bool:
        """Workers take chunks again. Returns and raises as `pause`."""
        _require_operator(caller)
        was_paused = await self._control.is_paused()
        await self._control.resume()
        log.info("queue resumed", actor=caller.actor)
        return not was_paused or await self._record(caller, Action.QUEUE_RESUMED)

    async def _record(self, caller: Caller, action: Action) -> bool:
        """Returns False if the database does not answer, or lacks the migration of the audit log."""
        if self._database.is_missing:
            return False
        try:
            async with self._database.transaction() as connection:
                await record(connection, caller, action)
        except Unavailable as error:
            log.warning("the audit log lacks an entry", action=action.value, actor=caller.actor, code=error.code)
            return False
        return True


def _require_operator(caller: Caller) -> None:
    require_permission(caller, Permission.METRICS_READ)
    require_permission(caller, Permission.BATCH_OPERATE)
