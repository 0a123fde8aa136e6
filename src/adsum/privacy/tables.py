"""Tables: merges of two records of one student, holds, and retention."""

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
    UniqueConstraint,
    text,
)

from adsum.platform.database.columns import BigInt, Instant, Json, id_column, metadata, reference

# Append-only, until the student is erased. A later merge of the student changes `student_id` only.
student_merges = Table(
    "student_merges",
    metadata,
    id_column(),
    reference("student"),
    # The row of `students` that is `merged_into` the student, and its content before the merge, as a `StudentRow`.
    Column("removed_id", BigInt, nullable=False),
    Column("removed", Json, nullable=False),
    # The fields of `merging.rules.Moved`.
    Column("moved", Json, nullable=False),
    # The days on which both had a record, as `merging.rules.DoubleRecord`, with the history of the removed record.
    Column("resolved", Json, nullable=False),
    Column("merged_at", Instant, nullable=False),
    Column("merged_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    UniqueConstraint("removed_id"),
    Index(None, "student_id"),
)

# While one is not lifted, nobody deletes data of the student. Lifted ones stay until the student is erased.
student_holds = Table(
    "student_holds",
    metadata,
    id_column(),
    reference("student"),
    Column("reason", String(32), nullable=False),
    Column("reference", String(64)),
    Column("placed_at", Instant, nullable=False),
    Column("placed_role", String(32), nullable=False),
    reference("user", nullable=True),
    Column("key_id", BigInt, ForeignKey("api_keys.id")),
    Column("lifted_at", Instant),
    Column("lifted_role", String(32)),
    Column("lifted_user_id", BigInt, ForeignKey("users.id")),
    Column("lifted_key_id", BigInt, ForeignKey("api_keys.id")),
    Index(None, "student_id"),
    Index(
        "uq_student_holds_in_effect",
        "student_id",
        "reason",
        unique=True,
        sqlite_where=text("lifted_at IS NULL"),
        postgresql_where=text("lifted_at IS NULL"),
    ),
)

# For how many years a school keeps its data; school 0 is the default of the installation. NULL: the default; 0: for
# ever. The names are those of `retention.rules.Periods`.
retention_periods = Table(
    "retention_periods",
    metadata,
    Column("school_id", BigInt, primary_key=True, autoincrement=False),
    Column("records", Integer),
    Column("notes", Integer),
    Column("absences", Integer),
    Column("students", Integer),
    Column("first_month", Integer),
)

# Each deletion of one kind at a school: the days before `before`. A run that a crash has interrupted goes on.
retention_runs = Table(
    "retention_runs",
    metadata,
    reference("school"),
    Column("kind", String(16), nullable=False),
    Column("before", Date, nullable=False),
    Column("deleted", BigInt, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    PrimaryKeyConstraint("school_id", "kind", "before"),
)
