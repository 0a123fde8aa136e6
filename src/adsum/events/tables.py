"""Tables: numbered events, and the ends of their log. `new_events` is a table of the platform."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Date, Integer, PrimaryKeyConstraint, String, Table

from adsum.platform.database.columns import BigInt, Instant, Json, RunId, metadata

# The columns are those of `new_events`. Ids are positions, without gaps except after a restore of a backup.
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

# One row: the id of the newest numbered event, and of the newest one that was pruned. Its lock lets one transaction at
# a time number events.
event_log = Table(
    "event_log",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("last_id", BigInt, nullable=False),
    Column("pruned_id", BigInt, nullable=False),
    CheckConstraint("number = 1", name="one_row"),
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

# How far a reader inside of Adsum has read the events.
event_readers = Table(
    "event_readers",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("position", BigInt, nullable=False),
)
