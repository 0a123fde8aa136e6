"""Chooses the server from which lists, reports and exports are read: a standby of Postgres, or the primary.

A service that only reads what may be some seconds old has a `StandbyReader`. Everything else has the `Database`, which
is the primary. `platform/http/recency.py` says which requests may read from the standby. See docs/decisions/0061.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from adsum.platform.database.engine import Connection, Database, StorageOutage
from adsum.platform.database.standby import TIMEOUT_S, Standby

# The clocks of two machines may differ by as much without a warning of `adsum doctor`.
CLOCKS_DIFFER_S = 2.0


@dataclass(slots=True)
class Reads:
    """The reads of a request.

    Attributes:
        may_lag: whether it may read from the standby.
        has_reader: whether it has read what may lag.
        as_of: the oldest moment of the data that the standby has returned; None: it has returned none.
    """

    may_lag: bool = False
    has_reader: bool = False
    as_of: float | None = None


READS: ContextVar[Reads] = ContextVar("reads")
"""Set for each request by its middleware. Commands and background work have none: they read from the primary."""


class Reading(Protocol):
    """The caller for whom something is read."""

    @property
    def actor(self) -> str: ...

    @property
    def teaches_only(self) -> bool: ...


IsComplete = Callable[[Connection], Awaitable[bool]]


class StandbyReader:
    """Reads from the standby if its data are recent enough for the caller, else from the primary.

    Args:
        primary: the database.
        standby: None: there is none.
        seen_at: returns the moment as of which an actor has seen the primary, in seconds since 1970.
        count: is called for each read with `standby` or `primary`.
    """

    def __init__(
        self,
        primary: Database,
        standby: Standby | None = None,
        seen_at: Callable[[str], Awaitable[float]] | None = None,
        count: Callable[[str], None] | None = None,
    ) -> None:
        self._primary = primary
        self._standby = standby
        self._seen_at = seen_at
        self._count = count

    @asynccontextmanager
    async def snapshot(self, caller: Reading, is_complete: IsComplete | None = None) -> AsyncGenerator[Connection]:
        """A transaction that reads one state of the database.

        Args:
            caller: for whom it reads. Which classes a teacher sees is decided by the same statement, on the primary.
            is_complete: whether the standby has what the block needs; asked on its connection.

        Raises:
            StorageOutage: the server does not answer. The next attempt reads from the primary.
        """
        standby, as_of = self._standby, await self._usable_as_of(caller)
        if standby is not None and as_of is not None:
            is_reading = False
            try:
                async with asyncio.timeout(TIMEOUT_S) as limit, standby.database.snapshot() as connection:
                    if is_complete is None or await is_complete(connection):
                        limit.reschedule(None)
                        is_reading = True
                        self._note(as_of)
                        yield connection
                        return
            except (StorageOutage, TimeoutError):
                standby.distrust()
                if is_reading:
                    raise
        self._note(None)
        async with self._primary.snapshot() as connection:
            yield connection

    async def _usable_as_of(self, caller: Reading) -> float | None:
        """The moment of the standby's data; None: they are not to be read."""
        reads = READS.get(None)
        if self._standby is None or self._seen_at is None or reads is None or not reads.may_lag or caller.teaches_only:
            return None
        as_of = self._standby.as_of
        if as_of is None or await self._seen_at(caller.actor) + CLOCKS_DIFFER_S > as_of:
            return None
        return as_of

    def _note(self, as_of: float | None) -> None:
        reads = READS.get(None)
        if reads is not None:
            reads.has_reader = True
            if as_of is not None:
                reads.as_of = as_of if reads.as_of is None else min(reads.as_of, as_of)
        if self._count is not None:
            self._count("primary" if as_of is None else "standby")
