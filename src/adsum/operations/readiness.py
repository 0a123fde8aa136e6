"""Readiness of this process, and the backlog of all processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from adsum.operations.metrics import Backlog
from adsum.operations.repository import open_runs
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.database.revision import MigrationState, migration_state
from adsum.platform.database.standby import Standby
from adsum.platform.errors import ConfigurationError, Unavailable

# A probe has to answer before its client times out.
CHECK_DEADLINE_S = 2.0
OK = "ok"
STANDBY = "standby"
UNREACHABLE = "unreachable"
_USABLE = (MigrationState.CURRENT, MigrationState.AHEAD)


@dataclass(frozen=True, slots=True)
class ReadinessReport:
    """The result of each check: `ok`, or the fault."""

    checks: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        """Also without the standby: then everything is read from the primary."""
        return all(result == OK for name, result in self.checks.items() if name != STANDBY)


class Readiness:
    """Checks the database and Redis.

    Args:
        database: to check.
        ping: of Redis. Raises Unavailable.
        queue_depth: the number of chunks that wait or are processed. Raises Unavailable.
        now: the clock.
        standby: for reading; None: there is none.
    """

    def __init__(
        self,
        database: Database,
        ping: Callable[[], Awaitable[None]],
        queue_depth: Callable[[], Awaitable[int]],
        now: Clock,
        standby: Standby | None = None,
    ) -> None:
        self._database = database
        self._ping = ping
        self._queue_depth = queue_depth
        self._now = now
        self._standby = standby

    async def report(self) -> ReadinessReport:
        """Runs all checks. Takes at most `CHECK_DEADLINE_S`, even if a server hangs."""
        migrations, redis = await asyncio.gather(self._migrations(), self._redis())
        database = UNREACHABLE if migrations == UNREACHABLE else OK
        standby = {} if self._standby is None else {STANDBY: self._standby.state.value}
        return ReadinessReport({"database": database, "migrations": migrations, "redis": redis, **standby})

    async def require_current_schema(self) -> None:
        """Called before a process starts.

        Raises:
            ConfigurationError: the database lacks migrations of this version, or belongs to a version that is too new.
            StorageOutage: the database does not respond.
        """
        state = await migration_state(self._database)
        if state is MigrationState.INCOMPATIBLE:
            raise ConfigurationError(
                "a version too new for this one has migrated the database: update this installation"
            )
        if state is MigrationState.BEHIND:
            if self._database.is_missing:
                raise ConfigurationError(
                    f"there is no database {self._database.file}: start `adsum up` in this folder, or name another one "
                    "with ADSUM_DATA_DIR or ADSUM_DATABASE_URL, and run `adsum migrate` if it is to be a new one"
                )
            raise ConfigurationError("the database is not at the schema of this version: run `adsum migrate` first")

    async def backlog(self) -> Backlog:
        """The backlog of all processes. Raises Unavailable if the database does not respond."""
        async with self._database.snapshot() as connection:
            count, oldest = await open_runs(connection)
        age = 0.0 if oldest is None else max(0.0, (self._now() - oldest).total_seconds())
        return Backlog(count, age, await self._depth())

    async def _migrations(self) -> str:
        try:
            async with asyncio.timeout(CHECK_DEADLINE_S):
                state = await migration_state(self._database)
        except (Unavailable, TimeoutError):
            return UNREACHABLE
        return OK if state in _USABLE else state.value

    async def _redis(self) -> str:
        try:
            async with asyncio.timeout(CHECK_DEADLINE_S):
                await self._ping()
        except (Unavailable, TimeoutError):
            return UNREACHABLE
        return OK

    async def _depth(self) -> int | None:
        try:
            async with asyncio.timeout(CHECK_DEADLINE_S):
                return await self._queue_depth()
        except (Unavailable, TimeoutError):
            return None
