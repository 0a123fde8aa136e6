"""Planned absences, and precedence of marks"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
RUN_ID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
INSTANT = sa.DateTime(timezone=True)
TIME = sa.String(length=5)


def upgrade() -> None:
    op.add_column("schools", sa.Column("edit_window_days", sa.Integer(), nullable=True))
    _add(
        "attendances",
        sa.Column("arrived_at", TIME),
        sa.Column("left_at", TIME),
        sa.Column("office_note", sa.Text()),
        sa.Column("absence_id", ID),
    )
    _add(
        "attendance_changes",
        sa.Column("old_arrived_at", TIME),
        sa.Column("new_arrived_at", TIME),
        sa.Column("old_left_at", TIME),
        sa.Column("new_left_at", TIME),
        sa.Column("old_office_note", sa.Text()),
        sa.Column("new_office_note", sa.Text()),
        sa.Column("absence_id", ID),
    )
    _create_absences()
    _create_contradictions()


def _add(table: str, *columns: "sa.Column[Any]") -> None:
    for column in columns:
        op.add_column(table, column)


def _create_absences() -> None:
    op.create_table(
        "absences",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("session_ids", JSON, nullable=True),
        sa.Column("from_time", TIME, nullable=True),
        sa.Column("to_time", TIME, nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_absences_school_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_absences_student_id"),
        sa.PrimaryKeyConstraint("id", name="pk_absences"),
    )
    op.create_index("ix_absences_school_id_last_day", "absences", ["school_id", "last_day"], unique=False)
    op.create_index("ix_absences_student_id_last_day", "absences", ["student_id", "last_day"], unique=False)
    op.create_table(
        "absence_versions",
        sa.Column("absence_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("said", JSON, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.Column("changed_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("key_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["absence_id"], ["absences.id"], name="fk_absence_versions_absence_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_absence_versions_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_absence_versions_key_id"),
        sa.PrimaryKeyConstraint("absence_id", "version", name="pk_absence_versions"),
    )
    op.create_table(
        "due_absences",
        sa.Column("run_id", RUN_ID, nullable=False),
        sa.Column("absence_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["batch_runs.run_id"], name="fk_due_absences_run_id"),
        sa.ForeignKeyConstraint(["absence_id"], ["absences.id"], name="fk_due_absences_absence_id"),
        sa.PrimaryKeyConstraint("run_id", "absence_id", name="pk_due_absences"),
    )


def _create_contradictions() -> None:
    op.create_table(
        "contradictions",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("learning_date", sa.Date(), nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("said_at", INSTANT, nullable=False),
        sa.Column("said_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("key_id", ID, nullable=True),
        sa.Column("resolved_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_contradictions_school_id"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_contradictions_class_id"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_contradictions_session_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_contradictions_student_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_contradictions_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_contradictions_key_id"),
        sa.PrimaryKeyConstraint("id", name="pk_contradictions"),
        sa.UniqueConstraint(
            "session_id",
            "learning_date",
            "student_id",
            name="uq_contradictions_session_id_learning_date_student_id",
        ),
    )
    op.create_index("ix_contradictions_student_id", "contradictions", ["student_id"], unique=False)
    op.create_index(
        "ix_contradictions_open",
        "contradictions",
        ["school_id", "learning_date"],
        unique=False,
        sqlite_where=sa.text("resolved_at IS NULL"),
        postgresql_where=sa.text("resolved_at IS NULL"),
    )
