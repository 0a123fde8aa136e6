"""Live progress: states, not messages. One loop in a process reads all watched batches, and tells who listens."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Self

from adsum.accounts.access import Caller
from adsum.batches.progress_events import Seen, Step, parse_event_id, step_of
from adsum.batches.repository import tallies
from adsum.batches.rules import BatchStatus
from adsum.batches.service import AttendancesService
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.telemetry import LogIcon, logger

INTERVAL_S = 0.2
MAX_LISTENERS = 2000

log = logger(__name__)


class TooManyListeners(Unavailable):
    """This process follows as many batches as it can; another one, or this one later, will do it."""

    code = "too_many_listeners"


class Watch:
    """The states of one batch for one listener: an asynchronous iterator that ends after a terminal state.

    It keeps only the newest state, so a listener that is slow to take them costs no memory. A cancelled `anext` loses
    nothing. `seen` is what the listener knows from before.
    """

    def __init__(self, seen: Seen | None) -> None:
        self._seen = seen
        self._step: Step | None = None
        self._newest: BatchStatus | None = None
        self._is_over = False
        self._error: BaseException | None = None
        self._stirred = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchStatus:
        """The newest state that was not taken yet; waits for one. Raises what ended the loop, if an error did."""
        await self._stirred.wait()
        if self._newest is None:
            raise self._error or StopAsyncIteration
        status, self._newest = self._newest, None
        self._is_over |= status.has_ended
        if not self._is_over:
            self._stirred.clear()
        return status

    def offer(self, status: BatchStatus) -> None:
        """Takes a state that is newer than all before it; any other one is dropped."""
        if self._is_over or (self._step is not None and step_of(status) <= self._step):
            return
        if self._seen is not None and self._seen.covers(status):
            return
        self._step, self._newest = step_of(status), status
        self._stirred.set()

    def end(self, error: BaseException | None = None) -> None:
        """What was not taken yet still is; then the iteration ends, or fails with `error`."""
        self._is_over, self._error = True, error
        self._stirred.set()


class Progress:
    """Follows batches for whoever may see them, from the database alone.

    Args:
        database: the truth.
        attendances: tells the state now to those who may see it.
        interval: seconds between two looks.
        max_listeners: how many may listen at once.
    """

    def __init__(
        self,
        database: Database,
        attendances: AttendancesService,
        *,
        interval: float = INTERVAL_S,
        max_listeners: int = MAX_LISTENERS,
    ) -> None:
        self._database = database
        self._attendances = attendances
        self._interval = interval
        self._max_listeners = max_listeners
        self._watched: defaultdict[Batch, set[Watch]] = defaultdict(set)
        self._loop: asyncio.Task[None] | None = None
        self._is_stopped = False
        self._is_away = False
        self.listeners = 0

    @property
    def is_idle(self) -> bool:
        """Whether the database is asked nothing: nobody listens."""
        return self._loop is None or self._loop.done()

    @asynccontextmanager
    async def watch(self, batch_id: str, caller: Caller, after: str | None = None) -> AsyncGenerator[Watch]:
        """Gives the state now, and each newer one, until the newest run has ended.

        Args:
            batch_id: such as `class-123-session-456-date-25122024`.
            caller: who listens. What they may see is asked once, now.
            after: the id of the last event that they got before, or None. States up to that one are left out.

        Raises:
            Forbidden, NotFound, Unavailable: as `AttendancesService.get_batch_status`.
            TooManyListeners: as many as can be are listening already.
        """
        status = await self._attendances.get_batch_status(batch_id, caller)
        batch = parse_batch_id(batch_id)
        assert batch is not None  # there is one of this id
        watch = Watch(parse_event_id(after))
        watch.offer(status)
        with self._listening(batch, watch):
            yield watch

    @contextmanager
    def _listening(self, batch: Batch, watch: Watch) -> Generator[None]:
        if self.listeners >= self._max_listeners:
            raise TooManyListeners(f"{self.listeners} follow a batch already; try again later")
        self._watched[batch].add(watch)
        self.listeners += 1
        if self._is_stopped:
            watch.end()
        elif self.is_idle:
            self._loop = asyncio.create_task(self._follow())
            self._loop.add_done_callback(self._tell_how_it_ended)
        try:
            yield
        finally:
            self.listeners -= 1
            self._watched[batch].discard(watch)
            if not self._watched[batch]:
                del self._watched[batch]

    def stop(self) -> None:
        """Ends every stream, and every later one after its first state: this process is about to end."""
        self._is_stopped = True
        self._end_all(None)

    async def close(self) -> None:
        """Stops, and returns when the database is asked nothing any more."""
        self.stop()
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])

    async def _follow(self) -> None:
        await asyncio.sleep(self._interval)
        while self._watched:
            await self._look()
            await asyncio.sleep(self._interval)

    async def _look(self) -> None:
        """One round for all. While the database is away nobody is told anything, and nobody is sent away."""
        asked = list(self._watched)
        try:
            async with self._database.snapshot() as connection:
                found = await tallies.newest_statuses(connection, asked)
        except Unavailable as error:
            if not self._is_away:
                log.error("outage, showing progress later", mark=LogIcon.ERROR, code=error.code)
            self._is_away = True
            return
        self._is_away = False
        for batch in asked:
            self._tell(batch, found.get(batch))

    def _tell(self, batch: Batch, status: BatchStatus | None) -> None:
        for watch in self._watched.get(batch, ()):
            if status is None:
                watch.end()  # an older database was restored: who asks again is told that there is no such batch
            else:
                watch.offer(status)

    def _tell_how_it_ended(self, loop: asyncio.Task[None]) -> None:
        """Whoever waits for a loop that failed would wait for ever."""
        error = None if loop.cancelled() else loop.exception()
        if error is not None:
            self._end_all(error)

    def _end_all(self, error: BaseException | None) -> None:
        for watches in self._watched.values():
            for watch in watches:
                watch.end(error)
