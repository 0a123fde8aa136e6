"""Tables: planned absences."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
)

from adsum.platform.database.columns import BigInt, Instant, Json, RunId, id_column, metadata, reference

# What the office knows beforehand: a student will be away, from first_day to last_day. Deleted only with a student.
absences = Table(
    "absences",
    metadata,
    id_column(),
    reference("school"),
    reference("student"),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    # [456, …]: only these sessions. NULL: all of them, or those of the times.
    Column("session_ids", Json),
    # Local 'HH:MM': only sessions that by the timetable meet between them. Both or neither.
    Column("from_time", String(5)),
    Column("to_time", String(5)),
    Column("status", String(32), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("revoked_at", Instant),
    Index(None, "school_id", "last_day"),
    Index(None, "student_id", "last_day"),
)

# Append-only: what an absence said in each version, and who said so.
absence_versions = Table(
    "absence_versions",
    metadata,
    Column("absence_id", BigInt, ForeignKey("absences.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("said", Json, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    PrimaryKeyConstraint("absence_id", "version"),
)

# Runs that were open when an absence was entered: what they record is corrected when they have ended.
due_absences = Table(
    "due_absences",
    metadata,
    Column("run_id", RunId, ForeignKey("batch_runs.run_id"), nullable=False),
    Column("absence_id", BigInt, ForeignKey("absences.id"), nullable=False),
    PrimaryKeyConstraint("run_id", "absence_id"),
)
