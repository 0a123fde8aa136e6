"""Records for which users API keys act: one entry per key, user and day in UTC."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import islice

from adsum.accounts.access import Caller
from adsum.accounts.audit.repository import lock_acting, pairs_recorded_since, record
from adsum.accounts.audit.rules import Action
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.origin import ORIGIN, Origin
from adsum.platform.telemetry import logger

# Keys and people of one day that a process remembers, and those that wait.
MAX_REMEMBERED = 50_000
MAX_WAITING = 10_000
# Entries of one transaction, and the pause after it in which others may write.
SLICE = 200
PAUSE_S = 0.25

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class _Use:
    caller: Caller
    school_id: int | None
    day: date
    origin: Origin


class ImpersonationRecords:
    """Collects what is to be recorded. One task writes it, with one connection, whatever the number of people.

    No request waits for it, and an outage fails none. An entry that does not fit, or is lost in an outage, is recorded
    at the next request of the key for this person.
    """

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now
        self._noted: set[tuple[int | None, int | None]] = set()
        self._noted_day = date.min
        self._waiting: dict[tuple[int | None, int | None], _Use] = {}
        self._writing: asyncio.Task[None] | None = None
        self._is_closing = asyncio.Event()

    def note(self, caller: Caller, school_id: int | None) -> None:
        """Notes that the key of this caller acts for its person, a user of this school. Returns at once."""
        today, pair = self._now().astimezone(UTC).date(), (caller.key_id, caller.user_id)
        if today != self._noted_day or len(self._noted) >= MAX_REMEMBERED:
            self._noted_day = today
            self._noted.clear()
        if pair in self._noted or pair in self._waiting or len(self._waiting) >= MAX_WAITING:
            return
        self._noted.add(pair)
        self._waiting[pair] = _Use(caller, school_id, today, ORIGIN.get())
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting(), context=Context())

    async def close(self) -> None:
        """Waits until everything is recorded. Called after the last request."""
        self._is_closing.set()
        if self._writing is not None:
            await self._writing

    async def _write_waiting(self) -> None:
        while self._waiting:
            uses = {pair: self._waiting.pop(pair) for pair in list(islice(self._waiting, SLICE))}
            try:
                await self._write(list(uses.values()))
            except Unavailable:
                self._noted.difference_update(uses)
                log.warning("use of API keys for users not recorded", total=len(uses))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_closing.wait(), PAUSE_S)

    async def _write(self, uses: list[_Use]) -> None:
        action = Action.KEY_ACTED_FOR_USER
        begin = datetime.combine(max(use.day for use in uses), time(), UTC)
        async with self._database.transaction() as connection:
            await lock_acting(connection)  # other processes let the same keys in at the same time
            recorded = await pairs_recorded_since(connection, action, begin)
            for use in uses:
                caller = use.caller
                if (caller.key_id, caller.user_id) in recorded:
                    continue
                ORIGIN.set(use.origin)
                school_id, user_id, key_id = use.school_id, caller.user_id, caller.key_id
                await record(connection, caller, action, school_id=school_id, user_id=user_id, key_id=key_id)
