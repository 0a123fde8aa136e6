"""Tables: reminders of missing registers, and entries of the desk."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Index, String, Table

from adsum.platform.database.columns import BigInt, Instant, Json, id_column, metadata, reference

# Append-only.
register_reminders = Table(
    "register_reminders",
    metadata,
    id_column(),
    reference("school"),
    reference("session"),
    Column("learning_date", Date, nullable=False),
    Column("reminded_at", Instant, nullable=False),
    Column("reminded_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Index(None, "session_id", "learning_date"),
    Index(None, "school_id", "learning_date"),
)

# Late arrivals and early departures. An entry changes when its marks are submitted, and when it is undone.
desk_entries = Table(
    "desk_entries",
    metadata,
    id_column(),
    reference("school"),
    reference("student"),
    Column("day", Date, nullable=False),
    Column("kind", String(16), nullable=False),
    # Local 'HH:MM'.
    Column("time", String(5), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("status", String(32), nullable=False),
    # Not a foreign key: retention deletes the absence first.
    Column("absence_id", BigInt),
    # [["class-…", "0190…"], …]: batch and run.
    Column("runs", Json, nullable=False),
    Column("entered_at", Instant, nullable=False),
    Column("entered_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("undone_at", Instant),
    # {"marks": […], "absentFrom": […]}: what the entry makes, until all of it is made. See `DeskMarks`.
    Column("pending", Json),
    # When all of it was made; NULL: it is not, or a release before 0071 made it.
    Column("completed_at", Instant),
    Index(None, "school_id", "day"),
    Index(None, "student_id", "day"),
)
