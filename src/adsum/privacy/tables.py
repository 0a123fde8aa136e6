"""Table: merges of two records of one student."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table, UniqueConstraint

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
