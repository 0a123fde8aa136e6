"""A standby of Postgres to read from: how old its data are, and whether they may be read."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from enum import StrEnum

from sqlalchemy import text

from adsum.platform.cancellation import end
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.telemetry import logger

POLL_S = 0.5
# A server that answers no poll within this time is read no more.
TIMEOUT_S = 1.0
# Without an answer for so long, the age of the data is unknown. A poll takes one pause and its time limit.
SILENT_AFTER_S = 2 * (POLL_S + TIMEOUT_S)
_SAMPLES = 2_000

# The end of the log on disk, before which every commit is that others can see; the cluster; and the timeline, which
# changes when a standby is promoted.
_PRIMARY = text("""
SELECT CAST(pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '0/0') AS bigint),
    (SELECT system_identifier FROM pg_control_system()),
    CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8) AS bit(32)) AS int)
WHERE NOT pg_is_in_recovery()
""")
# The end of what is replayed, and of what is received and may be replayed. The timeline is that of the last checkpoint:
# after a promotion, another standby is used again some minutes later.
_STANDBY = text("""
SELECT CAST(pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0') AS bigint),
    (SELECT system_identifier FROM pg_control_system()),
    (SELECT timeline_id FROM pg_control_checkpoint()),
    CASE WHEN pg_is_wal_replay_paused() THEN 0
        ELSE CAST(pg_wal_lsn_diff(coalesce(pg_last_wal_receive_lsn(), '0/0'), '0/0') AS bigint) END
WHERE pg_is_in_recovery()
""")

log = logger(__name__)


class StandbyState(StrEnum):
    """The state of a standby, as the last poll found it."""

    OK = "ok"
    # The lag exceeds `max_lag`.
    BEHIND = "behind"
    UNREACHABLE = "unreachable"
    # It is a primary, or a standby of another one.
    FOREIGN = "foreign"


_UNKNOWN = (StandbyState.UNREACHABLE, StandbyState.FOREIGN)


class Standby:
    """A standby, which is asked every half second, from the first question about it on.

    The lag is measured by the log, not by the time of its last transaction: when nothing is written, the standby of an
    idle primary is up to date. Every poll notes the end of the primary's log. The data of the standby are as of the
    newest poll whose end of the log it has replayed.

    Args:
        database: the standby.
        primary: whose log it replays.
        max_lag: seconds; older data are not read.
        now: seconds since 1970.
    """

    def __init__(
        self, database: Database, primary: Database, max_lag: float, now: Callable[[], float] = time.time
    ) -> None:
        self.database = database
        self.max_lag = max_lag
        self._primary = primary
        self._now = now
        self._ends: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._as_of = -math.inf
        self._answered_at = -math.inf
        self._state = StandbyState.UNREACHABLE
        self._polling: asyncio.Task[None] | None = None

    @property
    def as_of(self) -> float | None:
        """The moment of the data that the standby has; None: they are not to be read."""
        self._begin()
        return self._as_of if self.state is StandbyState.OK else None

    @property
    def lag(self) -> float:
        """Seconds; NaN if it is unknown."""
        return math.nan if self.state in _UNKNOWN else self._now() - self._as_of

    @property
    def state(self) -> StandbyState:
        """The state at the last poll."""
        self._begin()
        if self._now() - self._answered_at > SILENT_AFTER_S:
            return StandbyState.UNREACHABLE
        if self._state is StandbyState.OK and self._now() - self._as_of > self.max_lag:
            return StandbyState.BEHIND
        return self._state

    def distrust(self) -> None:
        """A statement failed: it is read again after the next poll that succeeds."""
        self._answered_at = -math.inf

    async def poll(self) -> None:
        """Asks both servers once."""
        state = StandbyState.UNREACHABLE
        with suppress(Unavailable, TimeoutError):
            async with asyncio.timeout(TIMEOUT_S):
                state = await self._ask()
            self._answered_at = self._now()
        if state is not self._state:
            write = log.info if state is StandbyState.OK else log.warning
            write("standby for reading", state=state.value)
        self._state = state

    async def close(self) -> None:
        """Stops asking, and closes the connections to the standby."""
        if self._polling is not None:
            await end([self._polling])
        await self.database.close()

    def _begin(self) -> None:
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll_forever(), context=Context())

    async def _poll_forever(self) -> None:
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def _ask(self) -> StandbyState:
        # Before the question: what is committed later may not be replayed.
        asked_at = self._now()
        async with self._primary.autocommit_read() as connection:
            primary = (await connection.execute(_PRIMARY)).one_or_none()
        async with self.database.autocommit_read() as connection:
            standby = (await connection.execute(_STANDBY)).one_or_none()
        if primary is None or standby is None or primary[1:] != standby[1:3]:
            self._ends.clear()
            self._as_of = -math.inf
            return StandbyState.FOREIGN
        is_idle = bool(self._ends) and self._ends[-1][1] == primary[0]
        self._ends.append((asked_at, primary[0]))
        while self._ends and self._ends[0][1] <= standby[0]:
            self._as_of = self._ends.popleft()[0]
        if is_idle and self._ends and primary[0] <= standby[3]:
            await self._write_rest_of_record()
        return StandbyState.OK

    async def _write_rest_of_record(self) -> None:
        """Postgres writes its log in pages. At the end there may be a part of a record of a background process, whose
        rest an idle primary writes seconds later. The standby has the part, and waits for the rest. A commit writes it.
        """
        async with self._primary.autocommit_read() as connection:
            await self._primary.wait_for_standby(connection)
