"""Whether this process can do its work now, and how much waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from adsum.operations.metrics import Backlog
from adsum.operations.repository import MigrationState, migration_state, open_runs
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError, Unavailable

# A probe that waits longer than its prober tells nobody anything.
REQUEST_DEADLINE_S = 2.0
OK = "ok"
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """One word for each thing that is needed; `ok` is the good one."""

    checks: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        return all(word == OK for word in self.checks.values())


class Readiness:
    """Asks the servers that Adsum needs.

    Args:
        database: is asked for its revision.
        ping: asks Redis for a sign of life, and raises Unavailable without one.
        queue_depth: how many chunks wait or are processed; it raises Unavailable too.
        now: the clock.
    """

    def __init__(
        self,
        database: Database,
        ping: Callable[[], Awaitable[None]],
        queue_depth: Callable[[], Awaitable[int]],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._ping = ping
        self._queue_depth = queue_depth
        self._now = now

    async def report(self) -> ReadinessReport:
        """Takes at most `REQUEST_DEADLINE_S`, whatever hangs."""
        migrations, redis = await asyncio.gather(self._migrations(), self._redis())
        database = UNREACHABLE if migrations == UNREACHABLE else OK
        return ReadinessReport({"database": database, "migrations": migrations, "redis": redis})

    async def require_current_schema(self) -> None:
        """For who is about to start.

        Raises:
            ConfigurationError: the database lacks migrations of this version.
            StorageOutage: it does not answer.
        """
        if await migration_state(self._database) is MigrationState.BEHIND:
            if self._database.is_missing:
                raise ConfigurationError(
                    f"there is no database {self._database.file}: start `adsum up` in this folder, or name another one "
                    "with ADSUM_DATA_DIR or ADSUM_DATABASE_URL, and run `adsum migrate` if it is to be a new one"
                )
            raise ConfigurationError("the database is not at the schema of this version: run `adsum migrate` first")

    async def backlog(self) -> Backlog:
        """What waits, over all processes. Raises Unavailable without the database."""
        async with self._database.snapshot() as connection:
            count, oldest = await open_runs(connection)
        age = 0.0 if oldest is None else max(0.0, (self._now() - oldest).total_seconds())
        return Backlog(count, age, await self._depth())

    async def _migrations(self) -> str:
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                state = await migration_state(self._database)
        except (Unavailable, TimeoutError):
            return UNREACHABLE
        return state.value if state is MigrationState.BEHIND else OK

    async def _redis(self) -> str:
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                await self._ping()
        except (Unavailable, TimeoutError):
            return UNREACHABLE
        return OK

    async def _depth(self) -> int | None:
        try:
            async with asyncio.timeout(REQUEST_DEADLINE_S):
                return await self._queue_depth()
        except (Unavailable, TimeoutError):
            return None
