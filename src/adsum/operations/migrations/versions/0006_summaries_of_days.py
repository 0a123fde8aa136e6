"""Summaries of days, for reports"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COUNTS = ("sessions", "attended", "absent", "authorised", "late")
ON_SQLITE = sa.text("ended_at IS NOT NULL AND summarised = 0")
ON_POSTGRES = sa.text("ended_at IS NOT NULL AND NOT summarised")


def upgrade() -> None:
    op.add_column("batch_runs", sa.Column("summarised", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_batch_runs_unsummarised",
        "batch_runs",
        ["school_id", "learning_date"],
        unique=False,
        sqlite_where=ON_SQLITE,
        postgresql_where=ON_POSTGRES,
    )
    _create("student_days", "student_id", "time", "time_missed")
    op.create_index("ix_student_days_student_id_day", "student_days", ["student_id", "day"], unique=False)
    _create("class_days", "class_id", "days", "days_absent")


def _create(table: str, of: str, *more: str) -> None:
    op.create_table(
        table,
        sa.Column("school_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(of, ID, nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in (*COUNTS, *more)),
        sa.PrimaryKeyConstraint("school_id", "day", of, name=f"pk_{table}"),
    )
