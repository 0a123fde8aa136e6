"""Live progress. One loop in each process reads all watched batches and passes their new states to the listeners.

Listeners receive states, not messages: a listener that is late or slow gets the newest state only. Workers notify
nobody. Redis is not used: without it streams stay open, and show no progress until the queue is back.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Self

from adsum.accounts.access import Caller
from adsum.batches.repository import tallies
from adsum.batches.rules import BatchStatus
from adsum.batches.service import AttendancesService
from adsum.platform.addresses import source_of
from adsum.platform.cancellation import end
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, Unavailable
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.telemetry import LogIcon, logger

INTERVAL_S = 0.2
MAX_LISTENERS = 2000
# A browser has one for each open page of a batch; a school's users may share an address.
MAX_LISTENERS_OF_CALLER = 100
MAX_LISTENERS_OF_ADDRESS = 400
_EVENT_ID = re.compile(r"(?P<run_id>[0-9a-f-]{36}):(?P<settled>[0-9]{1,9}):[a-z_]{1,32}")

log = logger(__name__)

Step = tuple[int, bool, int, int]
"""The order of a batch's states: number of the run, whether it has ended, settled jobs, recorded jobs.

Recorded jobs count because a record overrides a failure of the same run: a failed job may still become recorded.
"""


def step_of(status: BatchStatus) -> Step:
    """The step of a state. Later states of a batch have greater steps."""
    return (status.number, status.has_ended, status.tally.settled, status.tally.recorded)


def event_id(status: BatchStatus) -> str:
    """`{runId}:{settled jobs}:{state}`. The state distinguishes the end from the same count of an open run."""
    return f"{status.run_id}:{status.tally.settled}:{status.state.value}"


@dataclass(frozen=True, slots=True)
class LastEvent:
    """The last event that a listener received before it disconnected: its run and the run's settled jobs."""

    run_id: str
    settled: int

    def covers(self, status: BatchStatus) -> bool:
        """Whether the listener has received this state. A terminal state is always sent again, so that no listener
        waits for an end that it has missed.
        """
        return not status.has_ended and status.run_id == self.run_id and status.tally.settled <= self.settled


def parse_event_id(text: str | None) -> LastEvent | None:
    """Parses `Last-Event-ID`. None: it is not a valid id, so the current state is sent."""
    match = _EVENT_ID.fullmatch(text or "")
    return LastEvent(match["run_id"], int(match["settled"])) if match is not None else None


class TooManyListeners(Unavailable):
    """This process has as many listeners as it may have, in all, of the caller or of the address. It accepts one when
    another has ended.
    """

    code = "too_many_listeners"


class Watch:
    """The states of one batch for one listener: an asynchronous iterator that ends after a terminal state.

    It keeps only the newest state, so a slow listener costs no memory. Cancelling `anext` loses nothing.

    Args:
        last_event: the last event that the listener received before; None: it has received none.
    """

    def __init__(self, last_event: LastEvent | None) -> None:
        self._last_event = last_event
        self._step: Step | None = None
        self._newest: BatchStatus | None = None
        self._is_over = False
        self._error: BaseException | None = None
        self._changed = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchStatus:
        """Waits for a state that was not returned yet, and returns the newest. Raises the error that ended the loop."""
        await self._changed.wait()
        if self._newest is None:
            raise self._error or StopAsyncIteration
        status, self._newest = self._newest, None
        self._is_over |= status.has_ended
        if not self._is_over:
            self._changed.clear()
        return status

    def offer(self, status: BatchStatus) -> None:
        """Accepts a state that is newer than all before it; drops any other."""
        if self._is_over or (self._step is not None and step_of(status) <= self._step):
            return
        if self._last_event is not None and self._last_event.covers(status):
            return
        self._step, self._newest = step_of(status), status
        self._changed.set()

    def end(self, error: BaseException | None = None) -> None:
        """Ends the iteration, with `error` if given, after a state that was not returned yet."""
        self._is_over, self._error = True, error
        self._changed.set()


class Progress:
    """Follows batches. It reads the database only.

    Args:
        database: to read states from.
        attendances: returns the first state, and checks that the caller may see the batch.
        interval: seconds between two reads.
        max_listeners: of this process at one time.
        of_caller: those of one user or API key.
        of_address: those of one network address.
    """

    def __init__(
        self,
        database: Database,
        attendances: AttendancesService,
        *,
        interval: float = INTERVAL_S,
        max_listeners: int = MAX_LISTENERS,
        of_caller: int = MAX_LISTENERS_OF_CALLER,
        of_address: int = MAX_LISTENERS_OF_ADDRESS,
    ) -> None:
        self._database = database
        self._attendances = attendances
        self._interval = interval
        self._max_listeners = max_listeners
        self._limits = {"caller": of_caller, "address": of_address}
        self._open: Counter[tuple[str, str]] = Counter()
        self._watched: defaultdict[Batch, set[Watch]] = defaultdict(set)
        self._loop: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._is_database_away = False
        self.listeners = 0

    @property
    def is_idle(self) -> bool:
        """Whether the loop is not running, because there are no listeners."""
        return self._loop is None or self._loop.done()

    @asynccontextmanager
    async def watch(
        self, batch_id: str, caller: Caller, after: str | None = None, *, address: str | None = None
    ) -> AsyncGenerator[Watch]:
        """Gives the current state and each newer one, until the newest run has ended.

        Args:
            batch_id: such as `class-123-session-456-date-25122024`.
            caller: the listener. `may_continue` checks them again.
            after: the id of the last event that they received, or None. States up to that one are left out.
            address: their network address, if they have one.

        Raises:
            Forbidden, NotFound, Unavailable: as `AttendancesService.get_batch_status`.
            TooManyListeners: the process has as many listeners as it may have, in all, of the caller or of the address.
        """
        status = await self._attendances.get_batch_status(batch_id, caller)
        batch = parse_batch_id(batch_id)
        assert batch is not None  # a batch of this id exists
        watch = Watch(parse_event_id(after))
        watch.offer(status)
        # The streams of a key that acts for several people are the key's.
        name = caller.actor if caller.key_id is None else f"key-{caller.key_id}"
        owners = [("caller", name), *([("address", source_of(address))] if address else [])]
        with self._listening(batch, watch, owners):
            yield watch

    async def may_continue(self, batch_id: str, reauthenticate: Callable[[], Awaitable[Caller]]) -> bool:
        """Whether a listener may still follow this batch. During an outage they may.

        Args:
            batch_id: of the batch.
            reauthenticate: authenticates the listener again.
        """
        try:
            await self._attendances.get_batch_status(batch_id, await reauthenticate())
        except Unavailable:
            return True
        except AdsumError:
            return False
        return True

    @contextmanager
    def _listening(self, batch: Batch, watch: Watch, owners: Sequence[tuple[str, str]]) -> Generator[None]:
        if self.listeners >= self._max_listeners:
            raise TooManyListeners(f"{self.listeners} follow a batch already; try again later")
        for owner in owners:
            kind, limit = owner[0], self._limits[owner[0]]
            if self._open[owner] >= limit:
                detail = f"this {kind} follows {limit} batches already: close one of these streams"
                raise TooManyListeners(detail, limit=limit, of=kind)
        self._open.update(owners)
        self._watched[batch].add(watch)
        self.listeners += 1
        if self._is_stopped:
            watch.end()
        elif self.is_idle:
            self._loop = asyncio.create_task(self._read_until_idle())
            self._loop.add_done_callback(self._end_after_failure)
        try:
            yield
        finally:
            self.listeners -= 1
            self._open -= Counter(owners)  # removes those at zero
            self._watched[batch].discard(watch)
            if not self._watched[batch]:
                del self._watched[batch]

    def stop(self) -> None:
        """Ends every stream, and every later one after its first state. Called when the process shuts down."""
        self._is_stopped = True
        self._end_all(None)

    async def close(self) -> None:
        """Stops, and waits for the loop to end."""
        self.stop()
        if self._loop is not None:
            await end([self._loop])

    async def _read_until_idle(self) -> None:
        await asyncio.sleep(self._interval)
        while self._watched:
            await self._read_all()
            await asyncio.sleep(self._interval)

    async def _read_all(self) -> None:
        """Reads all watched batches in one query. During an outage of the database all streams stay open and silent."""
        batches = list(self._watched)
        try:
            async with self._database.snapshot() as connection:
                statuses = await tallies.newest_statuses(connection, batches)
        except Unavailable as error:
            if not self._is_database_away:
                log.error("outage, progress delayed", mark=LogIcon.ERROR, code=error.code)
            self._is_database_away = True
            return
        self._is_database_away = False
        for batch in batches:
            self._notify(batch, statuses.get(batch))

    def _notify(self, batch: Batch, status: BatchStatus | None) -> None:
        for watch in self._watched.get(batch, ()):
            if status is None:
                watch.end()  # an older database was restored; the client's next request is answered with 404
            else:
                watch.offer(status)

    def _end_after_failure(self, loop: asyncio.Task[None]) -> None:
        """Ends all streams if the loop has failed: nothing else would ever end them."""
        error = None if loop.cancelled() else loop.exception()
        if error is not None:
            self._end_all(error)

    def _end_all(self, error: BaseException | None) -> None:
        for watches in self._watched.values():
            for watch in watches:
                watch.end(error)
