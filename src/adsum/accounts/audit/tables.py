"""Tables: the entries of the audit log, and the state of their chain."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table, Text, text

from adsum.platform.database.columns import BigInt, Instant, id_column, metadata

# Append-only: triggers refuse every change but sealing, and deleting anything but what pruning may remove. See the
# migration 0033.
# No column references another table. Entries outlive students, users and schools, and writing one waits for no row.
audit_entries = Table(
    "audit_entries",
    metadata,
    id_column(),
    # The position in the chain, without gaps, and the hash of this entry and the one before. NULL until it is sealed.
    Column("position", BigInt, unique=True),
    Column("hash", String(64)),
    # By the clock of the database, which all processes share.
    Column("created_at", Instant, nullable=False),
    Column("action", String(48), nullable=False),
    # The caller. All NULL: nobody has signed in. The role is `system` for the command line and the library.
    Column("caller_role", String(32)),
    Column("caller_user_id", BigInt),
    Column("caller_key_id", BigInt),
    # The origin of the call.
    Column("os_user", String(64)),
    Column("address", String(64)),
    Column("request_id", String(64)),
    Column("agent", String(120)),
    # The subject of the action.
    Column("school_id", BigInt),
    Column("student_id", BigInt),
    Column("user_id", BigInt),
    Column("key_id", BigInt),
    # JSON as it was written, since the hash covers its text.
    Column("before", Text),
    Column("after", Text),
    Index(
        "ix_audit_entries_unsealed",
        "id",
        sqlite_where=text("position IS NULL"),
        postgresql_where=text("position IS NULL"),
    ),
    Index(
        "ix_audit_entries_student_id",
        "student_id",
        sqlite_where=text("student_id IS NOT NULL"),
        postgresql_where=text("student_id IS NOT NULL"),
    ),
    Index(None, "created_at"),
)

# One row. The signatures are those of the position and hash before them, with the signing key, which is not in the
# database.
audit_chain = Table(
    "audit_chain",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    # The newest sealed entry.
    Column("position", BigInt, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("signature", String(64)),
    # The newest entry that was pruned.
    Column("pruned_position", BigInt, nullable=False),
    Column("pruned_hash", String(64), nullable=False),
    Column("pruned_signature", String(64)),
    # The newest entry that was written to the log of the process.
    Column("logged_position", BigInt, nullable=False),
    CheckConstraint("number = 1", name="one_row"),
)
