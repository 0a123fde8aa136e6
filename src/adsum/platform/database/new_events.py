"""Events: rows that tell other systems what happened. New ones are written in the transaction in which it happens.

So no event is lost, and none tells of what was rolled back. `adsum.events` numbers them after their commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Date, PrimaryKeyConstraint, String, Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.columns import BigInt, Instant, Json, RunId, id_column, metadata


class EventType(StrEnum):
    """The types of events, as the API names them."""

    BATCH_ACCEPTED = "batch.accepted"
    BATCH_COMPLETED = "batch.completed"
    BATCH_COMPLETED_WITH_ERRORS = "batch.completed_with_errors"
    BATCH_CANCELLED = "batch.cancelled"
    ATTENDANCE_CORRECTED = "attendance.corrected"
    ATTENDANCE_CLEARED = "attendance.cleared"
    REGISTER_TAKEN = "register.taken"
    REGISTER_MISSING = "register.missing"
    STUDENT_UNEXPLAINED = "student.unexplained"
    ABSENCE_ENTERED = "absence.entered"
    ABSENCE_CHANGED = "absence.changed"
    ABSENCE_REVOKED = "absence.revoked"
    ROSTER_IMPORTED = "roster.imported"
    WEBHOOK_DISABLED = "webhook.disabled"


ABOUT_STUDENTS = frozenset(
    {
        EventType.ATTENDANCE_CORRECTED,
        EventType.ATTENDANCE_CLEARED,
        EventType.STUDENT_UNEXPLAINED,
        EventType.ABSENCE_ENTERED,
        EventType.ABSENCE_CHANGED,
        EventType.ABSENCE_REVOKED,
    }
)
"""The types whose data have a `studentId`. An erasure removes it."""

# Emptied as events are numbered. No foreign keys: writing an event waits for no other row.
new_events = Table(
    "new_events",
    metadata,
    id_column(),
    Column("type", String(32), nullable=False),
    # NULL: the event is about all schools.
    Column("school_id", BigInt),
    Column("occurred_at", Instant, nullable=False),
    # Of an event about a run, whose row has everything else; `data` is NULL then.
    Column("run_id", RunId),
    # Ids, days and counts, with the names of the API. Neither names of people nor notes.
    Column("data", Json),
)

# Events that have ids: positions, without gaps except after a restore of a backup. Erasures of students change them and
# the announcements. The columns are those of `new_events`.
events = Table(
    "events",
    metadata,
    Column("id", BigInt, primary_key=True, autoincrement=False),
    Column("type", String(32), nullable=False),
    Column("school_id", BigInt),
    Column("occurred_at", Instant, nullable=False),
    Column("run_id", RunId),
    Column("data", Json),
)

# The registers that were announced as taken or missing, and the students who were announced as absent: each once.
announcements = Table(
    "announcements",
    metadata,
    Column("type", String(32), nullable=False),
    Column("day", Date, nullable=False),
    # The session of a register; the student.
    Column("subject_id", BigInt, nullable=False),
    PrimaryKeyConstraint("type", "day", "subject_id"),
)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened. `school_id` None: it is about all schools. See `new_events.data` for `data`."""

    type: EventType
    school_id: int | None
    data: Mapping[str, Any]


async def write_events(connection: AsyncConnection, happened: Sequence[NewEvent], now: datetime) -> None:
    """Writes events in the transaction in which they happen. It waits for no other transaction."""
    if happened:
        rows = [
            {"type": each.type.value, "school_id": each.school_id, "occurred_at": now, "data": dict(each.data)}
            for each in happened
        ]
        await connection.execute(insert(new_events), rows)
