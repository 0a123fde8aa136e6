"""The number of shards, and the shards of earlier numbers, which are emptied."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from adsum.batches.queue.control import QueueControl
from adsum.batches.sharding.repository import numbers_of_shards, remember_number
from adsum.platform.addresses import names_cluster
from adsum.platform.cancellation import closing
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database, StorageOutage
from adsum.platform.database.revision import MigrationState, migration_state
from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.connection import count_primaries
from adsum.platform.redis.shards import Shards
from adsum.platform.setting_groups.queue import MAX_SHARDS
from adsum.platform.telemetry import LogIcon, logger

# Seconds between two searches in the shards of earlier numbers: processes of an earlier number may still be running.
SEARCH_EVERY_S = 60.0
# Seconds that a command which pauses the queue waits for the database, which may be away.
COMPARE_WITHIN_S = 2.0

log = logger(__name__)


async def number_of_shards(setting: int | None, redis_url: str, database: Database, now: Clock) -> int:
    """The number of shards: that of the setting; else one, and in a cluster the number that was used last. If there is
    none, it is the number of primaries, which is remembered: primaries that are added later change nothing.

    A remembered one does not count in a cluster: it is commonly that of a single server which the cluster replaces.
    Only a worker replaces it in the table, so that commands are refused until the workers use the cluster.

    Raises:
        StorageOutage: the database does not answer.
        QueueOutage: the cluster does not answer.
    """
    if setting is not None or not names_cluster(redis_url):
        return setting or 1
    if await migration_state(database) not in {MigrationState.CURRENT, MigrationState.AHEAD}:
        return 1  # the process ends with that as the reason, or it is the doctor
    async with database.snapshot() as connection:
        used = await numbers_of_shards(connection)
    of_clusters = [each for each in used if each > 1]
    if of_clusters:
        return of_clusters[0]
    number = min(await count_primaries(redis_url), MAX_SHARDS)
    if not used:
        async with database.transaction() as connection:
            await remember_number(connection, number, now())
    log.info("the queue has as many shards as the cluster has primaries", shards=number)
    return number


async def require_present_number(shards: int, database: Database) -> None:
    """Compares the number of shards of a command with that of the workers, unless the database is away.

    Raises:
        ConfigurationError: the workers serve other queues.
    """
    used: list[int] = []
    with suppress(StorageOutage, TimeoutError):
        async with asyncio.timeout(COMPARE_WITHIN_S):
            if await migration_state(database) in {MigrationState.CURRENT, MigrationState.AHEAD}:
                async with database.snapshot() as connection:
                    used = await numbers_of_shards(connection)
    if used and used[0] != shards:
        number = f"the number of shards of the queue is {used[0]}, and that of this command {shards}"
        raise ConfigurationError(f"{number}: set ADSUM_QUEUE_SHARDS as for the workers, which serve {used[0]}")


@dataclass(frozen=True, slots=True)
class UsedNumbers:
    """The numbers of shards that were used before that of this process, and after it. The last one comes first."""

    earlier: Sequence[int]
    later: Sequence[int]


class EarlierShards:
    """Empties the shards of numbers that were used before.

    No message is copied: every sweeper enqueues what its shard lacks of open runs, whether it was lost or is elsewhere.

    Args:
        database: remembers the numbers.
        control: of the present shards.
        open_shards: opens the shards of a number.
        queue_name: of their queues.
        number: of the present shards.
        has_cluster: else a queue of one shard may be older than the first number that is remembered.
        began: when this process began. During a rolling change, a process with the earlier number may begin to lead
            after one with the new number; its number still counts as earlier.
    """

    def __init__(
        self,
        database: Database,
        control: QueueControl,
        open_shards: Callable[[int], Shards],
        *,
        queue_name: str,
        number: int,
        has_cluster: bool,
        began: datetime,
    ) -> None:
        self._database = database
        self._control = control
        self._open_shards = open_shards
        self._queue_name = queue_name
        self._number = number
        self._has_cluster = has_cluster
        self._began = began
        self._is_remembered = False
        self._due = 0.0

    async def empty_if_due(self) -> None:
        """A chore of the leading sweeper."""
        if time.monotonic() < self._due:
            return
        if not self._is_remembered:
            await self._remember()
            self._is_remembered = True
        used = await self.used()
        if used.later:
            detail = "another number of shards is in use: set ADSUM_QUEUE_SHARDS to the same everywhere, and restart"
            log.warning(detail, shards=self._number)
        for number in used.earlier:
            await self._empty(number)
        self._due = time.monotonic() + SEARCH_EVERY_S

    async def used(self) -> UsedNumbers:
        """The other numbers. Raises StorageOutage."""
        used = await self._numbers()
        place = used.index(self._number) if self._number in used else 0
        return UsedNumbers(
            earlier=[each for each in used[place:] if each != self._number],
            later=[each for each in used[:place] if each != self._number],
        )

    async def _remember(self) -> None:
        """Also that of one shard: a command with another number is refused by what is remembered."""
        if (await self._remembered())[:1] != [self._number]:
            async with self._database.transaction() as connection:
                await remember_number(connection, self._number, self._began)

    async def _numbers(self) -> list[int]:
        """All numbers that were used, the last one first."""
        used = await self._remembered()
        return used if 1 in used or self._has_cluster else [*used, 1]

    async def _remembered(self) -> list[int]:
        async with self._database.snapshot() as connection:
            return await numbers_of_shards(connection)

    async def waiting(self, number: int) -> int:
        """The messages in the shards of an earlier number. Raises QueueOutage."""
        async with closing(self._open_shards(number)) as shards:
            state = await QueueControl(shards, queue_name=self._queue_name).state()
        return state.waiting + state.active + state.delayed

    async def _empty(self, number: int) -> None:
        async with closing(self._open_shards(number)) as shards:
            control = QueueControl(shards, queue_name=self._queue_name)
            if not await control.is_used():
                return
            if await control.is_paused():
                await self._control.pause()
            state = await control.state()
            await control.obliterate()
        messages = state.waiting + state.active + state.delayed
        log.info("shards of an earlier number emptied", mark=LogIcon.LOCK, shards=number, remaining=messages)
