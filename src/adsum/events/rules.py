"""Events as they are read, and the filters of the feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adsum.platform.database.new_events import EventType

RUN_ENDED = frozenset({EventType.BATCH_COMPLETED, EventType.BATCH_COMPLETED_WITH_ERRORS, EventType.BATCH_CANCELLED})
"""The types whose data have the outcome of each student."""

ANNOUNCED = (EventType.REGISTER_TAKEN, EventType.REGISTER_MISSING, EventType.STUDENT_UNEXPLAINED)
"""The types that `announcements` writes, once for each register, or each student and day."""

OUT_OF_ORDER = timedelta(days=1)
"""No event has a larger id than one that happened so much later. Ids follow the times of events but for the time that
transactions last and by which the clocks of servers differ.
"""

VERSION = 1
"""The version of the data of every type. A field that is added does not change it."""


_SKIPPED = 1_000_000


def last_id_after_restore(last_id: int, now: datetime) -> int:
    """The id after which a log continues that was restored from a backup, so that no id is given twice.

    It is the number of milliseconds since 1970: no log has had as many events, and each restore gets another one.
    """
    return max(last_id + _SKIPPED, int(now.timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        id: the position in the log, from 1. Ids have no gaps, except after a backup was restored.
        type: of the event; a newer version may have stored others.
        school_id: the school that it is about; None: all schools.
        occurred_at: when it happened.
        data: by the schema of its type.
        trace: of an event about a run, the context of the trace of its request; None: it is not traced.
    """

    id: int
    type: str
    school_id: int | None
    occurred_at: datetime
    data: Mapping[str, Any]
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class EventFilters:
    """Which events are read.

    Attributes:
        types: only these; empty: all types.
        school_id: only events about it; None: all visible schools.
        since: only events from this moment on; None: from the beginning.
        until: only events before this moment; None: to the end.
    """

    types: frozenset[str] = frozenset()
    school_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventPage:
    """A part of the feed.

    Attributes:
        items: the events, by id.
        next_after: the cursor of the next page: nothing up to this id is missing from this page.
        has_more: whether numbered events follow it.
    """

    items: Sequence[Event]
    next_after: int
    has_more: bool
