"""Statements on events: number, read and prune them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Date, delete, exists, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.events.rules import ANNOUNCED, OUT_OF_ORDER, Event, EventFilters
from adsum.events.tables import event_log, event_readers
from adsum.platform.database.columns import BigInt
from adsum.platform.database.filters import equal
from adsum.platform.database.new_events import EventType, announcements, events, new_events
from adsum.platform.database.sql_files import input_rows, sql_file

_ADD_LOG = sql_file("adsum.events", "add_log")
_NUMBER_EVENTS = sql_file("adsum.events", "number_events")
_DELETE_NUMBERED = sql_file("adsum.events", "delete_numbered")
_LOCK_POSITION = sql_file("adsum.events", "lock_position")
_SET_POSITION = sql_file("adsum.events", "set_position")
_ANNOUNCE = sql_file("adsum.events", "announce", returns={"day": Date(), "subject_id": BigInt})


StoredEvent: TypeAlias = tuple[Event, str | None]
"""An event, and the run that it is about. An event about a run has no data of its own."""


# Whether a committed event has no number yet, in a query.
HAS_NEW_EVENTS = exists(select(new_events.c.id))


class LogEnds(NamedTuple):
    """The id of the newest numbered event, and of the newest one that was pruned; 0: none."""

    last_id: int
    pruned_id: int


async def has_new_events(connection: AsyncConnection) -> bool:
    """Whether a committed event has no number yet."""
    return bool(await connection.scalar(select(HAS_NEW_EVENTS)))


async def oldest_new_event(connection: AsyncConnection, limit: int) -> tuple[int, datetime | None]:
    """The number of committed events without an id, and when the oldest of them happened. Looks at `limit` events."""
    c = new_events.c
    first = select(c.occurred_at).order_by(c.id).limit(limit).subquery()
    count, oldest = (await connection.execute(select(func.count(), func.min(first.c.occurred_at)))).one()
    return count, oldest


async def oldest_event_after(connection: AsyncConnection, position: int) -> datetime | None:
    """When the first event after a position happened; None: there is none."""
    c = events.c
    return await connection.scalar(select(c.occurred_at).where(c.id > position).order_by(c.id).limit(1))


async def begin_of_period(connection: AsyncConnection, since: datetime, ids: range, limit: int) -> int:
    """An id of a range, at most `limit` ids before the first event after it that happened at a time or later. So the
    search for the events of a period does not begin at the oldest one.

    It halves the range, since ids follow the times of events but for `OUT_OF_ORDER`.
    """
    c = events.c
    begin, end = ids.start, ids.stop
    while end - begin > limit:
        middle = (begin + end) // 2
        following = select(c.id, c.occurred_at).where(c.id >= middle, c.id < end).order_by(c.id).limit(1)
        row = (await connection.execute(following)).one_or_none()
        if row is not None and row.occurred_at + OUT_OF_ORDER < since:
            begin = row.id
        else:
            end = middle
    return begin


async def read_ends(connection: AsyncConnection) -> LogEnds:
    """The ends of the log. Before the first event is numbered there is no row."""
    return await _read_ends(connection, locking=False) or LogEnds(0, 0)


async def lock_ends(connection: AsyncConnection) -> LogEnds:
    """The ends of the log, locked, so that one transaction at a time numbers or prunes."""
    ends = await _read_ends(connection, locking=True)
    if ends is None:
        await _ADD_LOG.fetch_all(connection, {})
        ends = await _read_ends(connection, locking=True)
    assert ends is not None
    return ends


async def _read_ends(connection: AsyncConnection, *, locking: bool) -> LogEnds | None:
    query = select(event_log.c.last_id, event_log.c.pruned_id)
    row = (await connection.execute(query.with_for_update() if locking else query)).one_or_none()
    return None if row is None else LogEnds(*row)


async def is_cursor(connection: AsyncConnection, ends: LogEnds, position: int) -> bool:
    """Whether a position within the log is the id of an event, or the end before an event.

    It is neither if the event that had this id was lost, since a backup from before it was restored.
    """
    if position in ends:
        return True
    return await connection.scalar(select(events.c.id).where(events.c.id.in_((position, position + 1)))) is not None


async def newest_before(connection: AsyncConnection, ends: LogEnds, position: int) -> int:
    """The id of the newest event before a position."""
    return await connection.scalar(select(func.max(events.c.id)).where(events.c.id < position)) or ends.pruned_id


async def end_of_scan(connection: AsyncConnection, ends: LogEnds, position: int, limit: int) -> int:
    """The id of the last of `limit` events after a position; of the newest event, if fewer follow."""
    if ends.last_id - position <= limit:
        return ends.last_id
    c = events.c
    query = select(c.id).where(c.id > position).order_by(c.id).offset(limit - 1).limit(1)
    return await connection.scalar(query) or ends.last_id


async def count_events(connection: AsyncConnection, position: int, limit: int) -> int:
    """The number of events after a position, at most `limit`."""
    following = select(events.c.id).where(events.c.id > position).limit(limit).subquery()
    return await connection.scalar(select(func.count()).select_from(following)) or 0


async def set_last_id(connection: AsyncConnection, last_id: int) -> None:
    """Lets the ids of the next events follow an id. The caller has locked the ends of the log."""
    await connection.execute(update(event_log).values(last_id=last_id))


async def number_events(connection: AsyncConnection, last_id: int, limit: int) -> int:
    """Gives at most `limit` new events the ids after `last_id`. The caller has locked the ends of the log.

    Returns:
        The number of events that got one.
    """
    values = {"last_id": last_id, "limit": limit}
    count = len(await _NUMBER_EVENTS.fetch_all(connection, values))
    if count:
        if connection.dialect.name == "sqlite":
            await _DELETE_NUMBERED.fetch_all(connection, {"limit": limit})
        await set_last_id(connection, last_id + count)
    return count


async def read_events(
    connection: AsyncConnection, caller: Caller, filters: EventFilters, ids: range, limit: int
) -> list[StoredEvent]:
    """At most `limit` of the events in this range of ids that match the filters and that the caller may see, by id. An
    event about a run comes with the id of the run, and without data.

    Events about all schools are for callers of all schools.
    """
    c = events.c
    return await _read(connection, caller, filters, (c.id >= ids.start, c.id < ids.stop), limit)


async def read_single_events(
    connection: AsyncConnection, caller: Caller, filters: EventFilters, event_ids: Collection[int]
) -> list[StoredEvent]:
    """As `read_events`, those with these ids."""
    return await _read(connection, caller, filters, (events.c.id.in_(event_ids),), len(event_ids))


async def _read(
    connection: AsyncConnection,
    caller: Caller,
    filters: EventFilters,
    which: tuple[ColumnElement[bool], ...],
    limit: int,
) -> list[StoredEvent]:
    c = events.c
    query = (
        select(c.id, c.type, c.school_id, c.occurred_at, c.data, c.run_id)
        .where(*which, in_visible_school(caller, c.school_id), *equal((c.school_id, filters.school_id)))
        .where(*_in_period(c.occurred_at, filters))
        .order_by(c.id)
        .limit(limit)
    )
    if filters.types:
        query = query.where(c.type.in_(sorted(filters.types)))
    rows = await connection.execute(query)
    return [
        (Event(event_id, kind, school_id, occurred_at, data or {}), run_id)
        for event_id, kind, school_id, occurred_at, data, run_id in rows
    ]


def _in_period(moment: ColumnElement[datetime], filters: EventFilters) -> list[ColumnElement[bool]]:
    since = [] if filters.since is None else [moment >= filters.since]
    return since if filters.until is None else [*since, moment < filters.until]


async def prune_events(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Deletes the oldest events, at most `limit`, as far as all are from before a time. Returns their number."""
    c = events.c
    ends = await lock_ends(connection)
    oldest = select(c.id, c.occurred_at).where(c.id > ends.pruned_id).order_by(c.id).limit(limit)
    last = ends.pruned_id
    for event_id, occurred_at in await connection.execute(oldest):
        if occurred_at >= before:
            break
        last = event_id
    if last > ends.pruned_id:
        await connection.execute(delete(events).where(c.id <= last))
        await connection.execute(update(event_log).values(pruned_id=last))
    return last - ends.pruned_id


async def read_position(connection: AsyncConnection, name: str) -> int:
    """The id of the last event that a reader inside of Adsum has read; 0: none."""
    return (await connection.execute(select(position_of(name)))).scalar_one()


def position_of(name: str) -> ColumnElement[int]:
    """The position of a reader inside of Adsum, in a query."""
    return func.coalesce(select(event_readers.c.position).where(event_readers.c.name == name).scalar_subquery(), 0)


async def lock_position(connection: AsyncConnection, name: str) -> int:
    """As `read_position`, locked, so that one transaction at a time reads on."""
    ((position,),) = await _LOCK_POSITION.fetch_all(connection, {"name": name})
    return position


async def set_position(connection: AsyncConnection, name: str, position: int) -> None:
    """Stores the position of a reader."""
    await _SET_POSITION.fetch_all(connection, {"name": name, "position": position})


async def announce(
    connection: AsyncConnection, kind: EventType, subjects: Collection[tuple[date, int]]
) -> set[tuple[date, int]]:
    """Notes that these subjects are announced on their days. Returns those that were not announced before.

    Of two transactions that announce the same subject, the second waits for the first.
    """
    rows = input_rows({"day": day.isoformat(), "subject_id": subject_id} for day, subject_id in sorted(subjects))
    added = await _ANNOUNCE.fetch_all(connection, {**rows, "type": kind.value})
    return {(day, subject_id) for day, subject_id in added}


async def prune_announcements(connection: AsyncConnection, before: date, limit: int) -> int:
    """Deletes at most `limit` announcements of days before `before`. Returns their number.

    By key, whose first column is the type.
    """
    c, deleted = announcements.c, 0
    for kind in ANNOUNCED:
        old = select(c.day, c.subject_id).where(c.type == kind, c.day < before).order_by(c.day).limit(limit - deleted)
        these = (c.type == kind, c.day < before, tuple_(c.day, c.subject_id).in_(old))
        deleted += (await connection.execute(delete(announcements).where(*these))).rowcount
    return deleted
