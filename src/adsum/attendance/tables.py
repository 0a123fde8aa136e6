"""Tables: statuses, attendance records, their history, and disputed marks."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from adsum.platform.database.columns import BigInt, Instant, Json, RunId, id_column, metadata, reference

# The statuses of a school that differ from the defaults.
statuses = Table(
    "statuses",
    metadata,
    Column("school_id", BigInt, ForeignKey("schools.id"), nullable=False),
    Column("code", String(32), nullable=False),
    Column("label", String(64), nullable=False),
    Column("letter", String(8), nullable=False),
    Column("counts_as", String(16), nullable=False),
    Column("flags", Json, nullable=False),
    Column("position", Integer, nullable=False),
    Column("retired_at", Instant),
    PrimaryKeyConstraint("school_id", "code"),
    CheckConstraint("counts_as IN ('attended', 'absent', 'not_expected')", "counts_as"),
)

# No foreign keys. The run has them for the columns that a row copies from it (school, class, session, author), and a
# student is inserted only with a valid enrolment, which has one, too. Each foreign key costs an index look-up and a row
# lock for each student: with two, Postgres spent two thirds of an insert on them.
attendances = Table(
    "attendances",
    metadata,
    id_column(),
    Column("school_id", BigInt, nullable=False),
    Column("class_id", BigInt, nullable=False),
    Column("session_id", BigInt, nullable=False),
    Column("learning_date", Date, nullable=False),
    Column("student_id", BigInt, nullable=False),
    # NULL: the mark was cleared. Rows are never deleted.
    Column("status", String(32)),
    Column("note", Text),
    # Local 'HH:MM' of that day.
    Column("arrived_at", String(5)),
    Column("left_at", String(5)),
    # Only the office reads and writes it. It does not depend on the mark.
    Column("office_note", Text),
    # The planned absence that the mark comes from. Corrections and later runs replace it.
    Column("absence_id", BigInt),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("marked_at", Instant, nullable=False),
    Column("marked_role", String(32), nullable=False),
    Column("user_id", BigInt),
    Column("key_id", BigInt),
    # The run that inserted the record. Corrections keep it.
    Column("run_id", RunId, nullable=False),
    # In this order, so that the rows of a class share index pages.
    UniqueConstraint("session_id", "learning_date", "student_id"),
    Index(None, "student_id", "learning_date"),
    Index(None, "school_id", "learning_date"),
    # Notes, which a school may keep for a shorter time than records: few among millions.
    Index(
        "ix_attendances_texts",
        "school_id",
        "learning_date",
        sqlite_where=text("note IS NOT NULL OR office_note IS NOT NULL"),
        postgresql_where=text("note IS NOT NULL OR office_note IS NOT NULL"),
    ),
)

_CHANGE_HAS_TEXT = text(
    "old_note IS NOT NULL OR new_note IS NOT NULL OR old_office_note IS NOT NULL OR new_office_note IS NOT NULL "
    "OR reason IS NOT NULL"
)

# Append-only. `version` is the record's after the change; the key allows each version once.
attendance_changes = Table(
    "attendance_changes",
    metadata,
    Column("attendance_id", BigInt, ForeignKey("attendances.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("old_status", String(32)),
    Column("new_status", String(32)),
    Column("old_note", Text),
    Column("new_note", Text),
    Column("old_arrived_at", String(5)),
    Column("new_arrived_at", String(5)),
    Column("old_left_at", String(5)),
    Column("new_left_at", String(5)),
    # Both NULL if the change keeps the office's note.
    Column("old_office_note", Text),
    Column("new_office_note", Text),
    Column("changed_at", Instant, nullable=False),
    Column("changed_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("reason", Text),
    # The run that made the change; the run that the change undoes.
    Column("run_id", RunId),
    Column("undoes_run_id", RunId),
    # The planned absence that the new mark comes from.
    Column("absence_id", BigInt),
    # The record's, by which both tables are partitioned. NULL: written by a release before 0066.
    Column("learning_date", Date),
    PrimaryKeyConstraint("attendance_id", "version"),
    Index(
        "ix_attendance_changes_texts",
        "attendance_id",
        sqlite_where=_CHANGE_HAS_TEXT,
        postgresql_where=_CHANGE_HAS_TEXT,
    ),
)

# Disputed marks: the mark of a teacher for a student whose recorded mark is the office's.
contradictions = Table(
    "contradictions",
    metadata,
    id_column(),
    reference("school"),
    reference("class"),
    reference("session"),
    Column("learning_date", Date, nullable=False),
    reference("student"),
    Column("status", String(32), nullable=False),
    Column("note", Text),
    Column("said_at", Instant, nullable=False),
    Column("said_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("resolved_at", Instant),
    UniqueConstraint("session_id", "learning_date", "student_id"),
    Index(None, "student_id"),
    Index(
        "ix_contradictions_open",
        "school_id",
        "learning_date",
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
)
