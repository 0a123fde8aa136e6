"""Tables: events that have ids, and announcements. `adsum.events` writes them; erasures of students change them."""

from __future__ import annotations

from sqlalchemy import Column, Date, PrimaryKeyConstraint, String, Table

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
