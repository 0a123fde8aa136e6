"""The feed of events, and what keeps it: numbering and pruning."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from typing_extensions import override

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school
from adsum.events.repository import (
    StoredEvent,
    end_of_scan,
    has_new_events,
    is_cursor,
    lock_ends,
    newest_before,
    number_events,
    prune_events,
    read_ends,
    read_events,
    read_single_events,
    set_last_id,
)
from adsum.events.rules import RUN_ENDED, Event, EventFilters, EventPage, last_id_after_restore
from adsum.events.run_data import RunData, data_of_runs
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.new_events import EventType
from adsum.platform.database.pruning import PagedPruning
from adsum.platform.errors import Gone, Invalid, Violation
from adsum.platform.telemetry import logger

# Events of one transaction, which holds no lock for which any action waits.
NUMBERED_AT_ONCE = 1_000
MAX_ROUNDS = 100
# Ids that one request looks through: a filter may leave out nearly all events.
SCANNED_AT_ONCE = 10_000
PRUNED_AT_ONCE = 5_000
PRUNE_PAUSE = timedelta(hours=1)

_KNOWN_TYPES = frozenset(EventType)

log = logger(__name__)


class EventsPruned(Gone):
    """Events after the cursor have been deleted. The param `oldest` is the first cursor that is complete."""

    code = "events_pruned"


class EventsRestored(Gone):
    """The event of this cursor was lost when a backup was restored. The param `kept` is the cursor of the newest event
    before it that is left.
    """

    code = "events_restored"


class EventNumbering:
    """Numbers committed events. Any number of processes may do so at once: one at a time holds the log."""

    def __init__(self, database: Database, at_once: int = NUMBERED_AT_ONCE) -> None:
        self._database = database
        self._at_once = at_once

    async def number(self) -> int:
        """Gives committed events their ids, at most those of `MAX_ROUNDS` transactions: others may write as quickly.
        Returns the number of events that got one.

        An id becomes visible only after all smaller ids: its transaction holds the lock of the log until its commit.
        """
        return await self._number(MAX_ROUNDS, self._at_once)

    async def number_some(self, at_most: int) -> int:
        """Numbers at most `at_most` of the oldest events, in one transaction. Returns their number."""
        return await self._number(1, at_most)

    async def _number(self, rounds: int, at_once: int) -> int:
        if not await self._has_new_events():
            return 0
        numbered = 0
        for _ in range(rounds):
            async with self._database.transaction() as connection:
                ends = await lock_ends(connection)
                count = await number_events(connection, ends.last_id, at_once)
            numbered += count
            if count < at_once:
                break
        return numbered

    async def skip_ids(self, now: datetime) -> int:
        """Leaves out the ids that events had which a restore of the database has lost. Returns the last one.

        Called after each restore. A call without a restore does no harm.
        """
        async with self._database.transaction() as connection:
            last_id = last_id_after_restore((await lock_ends(connection)).last_id, now)
            await set_last_id(connection, last_id)
        log.info("ids of events skipped", position=last_id)
        return last_id

    async def _has_new_events(self) -> bool:
        async with self._database.autocommit_read() as connection:
            return await has_new_events(connection)


class EventFeed:
    """Events in the order of their ids. `scanned_at_once` is a number of ids."""

    def __init__(self, database: Database, numbering: EventNumbering, scanned_at_once: int = SCANNED_AT_ONCE) -> None:
        self._database = database
        self._numbering = numbering
        self._scanned_at_once = scanned_at_once

    async def page(self, caller: Caller, filters: EventFilters, after: int | None, limit: int) -> EventPage:
        """At most `limit` events after the id `after`; None: from the oldest that is kept.

        Raises:
            Forbidden: without `event:read`.
            NotFound: the caller does not see the school of the filter.
            EventsPruned: events after this cursor were deleted.
            EventsRestored: the event of this cursor was lost at a restore.
            Invalid: the cursor is larger than any id.
        """
        require_permission(caller, Permission.EVENT_READ)
        await self._numbering.number()
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
            ends = await read_ends(connection)
            begin = ends.pruned_id if after is None else after
            if begin < ends.pruned_id:
                raise EventsPruned("events after this cursor have been deleted", oldest=ends.pruned_id)
            if begin > ends.last_id:
                detail = f"no event has this id yet; the newest is {ends.last_id}"
                place = {"in": "query", "name": "after"}
                raise Invalid(detail, [Violation("unknown_cursor", detail, "/query/after", place)])
            if not await is_cursor(connection, ends, begin):
                detail = "a backup was restored that does not have the event of this cursor"
                raise EventsRestored(detail, kept=await newest_before(connection, ends, begin))
            through = await end_of_scan(connection, ends, begin, self._scanned_at_once)
            items, next_after = await find_events(connection, caller, filters, range(begin + 1, through + 1), limit)
        return EventPage(items, next_after, has_more=next_after < ends.last_id)

    async def newest(self, caller: Caller, filters: EventFilters) -> int:
        """The id of the newest event, after which a new reader may begin. Raises NotFound as `page` does."""
        require_permission(caller, Permission.EVENT_READ)
        await self._numbering.number()
        async with self._database.autocommit_read() as connection:
            await require_named_school(connection, caller, filters.school_id)
            return (await read_ends(connection)).last_id


async def find_events(
    connection: Connection, caller: Caller, filters: EventFilters, ids: range, limit: int
) -> tuple[Sequence[Event], int]:
    """At most `limit` of the events with these ids that match and are visible, with their data.

    Returns:
        The events by id, and the id up to which they are complete. An event about a run that retention has deleted is
        left out. An event of a type that only a newer version knows, and those after it, are not shown yet.
    """
    rows = await read_events(connection, caller, filters, ids, limit)
    complete = rows[-1][0].id if len(rows) == limit else ids.stop - 1
    known = list(takewhile(lambda row: row[0].type in _KNOWN_TYPES, rows))
    if len(known) < len(rows):
        complete = rows[len(known)][0].id - 1
    return await _with_data(connection, known), complete


async def find_single_events(
    connection: Connection, caller: Caller, filters: EventFilters, event_ids: Collection[int]
) -> Sequence[Event]:
    """As `find_events`, those with these ids."""
    return await _with_data(connection, await read_single_events(connection, caller, filters, event_ids))


async def _with_data(connection: Connection, rows: Sequence[StoredEvent]) -> list[Event]:
    run_ids = {run_id for _, run_id in rows if run_id is not None}
    data = await data_of_runs(connection, run_ids) if run_ids else {}
    return [
        event if run_id is None else _about_run(event, data[run_id])
        for event, run_id in rows
        if run_id is None or run_id in data
    ]


def _about_run(event: Event, run: RunData) -> Event:
    return replace(event, data=run.ended if event.type in RUN_ENDED else run.brief, trace=run.trace)


class EventPruning(PagedPruning):
    """Deletes old events."""

    def __init__(self, database: Database, now: Clock, *, keep: timedelta, page: int = PRUNED_AT_ONCE) -> None:
        super().__init__(database, now, page=page, pause=PRUNE_PAUSE)
        self._keep = keep

    @override
    async def _prune(self, connection: Connection, now: datetime) -> int:
        pruned = await prune_events(connection, now - self._keep, self._page)
        if pruned:
            log.info("old events removed", rows=pruned)
        return pruned
