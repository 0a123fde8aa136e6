"""Tables: planned absences, and contacts about unexplained ones.

The columns of `absences` have the names of the fields of `rules.PlannedAbsence`.
"""

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

from adsum.platform.database.columns import BigInt, Ids, Instant, Json, RunId, id_column, metadata, reference

# Planned absences of single students. Rows are deleted with the student, or by retention.
absences = Table(
    "absences",
    metadata,
    id_column(),
    reference("school"),
    reference("student"),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    # [456, …]: only these sessions. NULL: all sessions, or those between the times.
    Column("session_ids", Ids),
    # Local 'HH:MM': only sessions that meet between them, by the timetable. Both or neither.
    Column("from_time", String(5)),
    Column("to_time", String(5)),
    Column("status", String(32), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("revoked_at", Instant),
    Index(None, "school_id", "last_day"),
    Index(None, "student_id", "last_day"),
)

# Append-only: each version of an absence, as the JSON of `Absence.to_json` with `revoked`, and its author.
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

# Append-only: somebody at home was called about the unexplained absence of a student on a day. It is the evidence that
# the school asked, so no row is changed. Rows are deleted only with the student, or by retention.
absence_contacts = Table(
    "absence_contacts",
    metadata,
    id_column(),
    reference("school"),
    reference("student"),
    Column("day", Date, nullable=False),
    Column("result", String(16), nullable=False),
    Column("person", String(100)),
    Column("note", String(500)),
    Column("contacted_at", Instant, nullable=False),
    Column("contacted_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Index(None, "school_id", "day"),
    Index(None, "student_id", "day"),
)

# A queue: absences that were entered or changed while a run was open. They are applied when the run has ended.
due_absences = Table(
    "due_absences",
    metadata,
    Column("run_id", RunId, ForeignKey("batch_runs.run_id"), nullable=False),
    Column("absence_id", BigInt, ForeignKey("absences.id"), nullable=False),
    PrimaryKeyConstraint("run_id", "absence_id"),
)
