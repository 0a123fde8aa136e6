"""Summaries of months, and of whole schools, so that reports of a year add up fewer rows"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COUNTED = ("sessions", "attended", "absent", "authorised", "late", "days", "days_absent")


def upgrade() -> None:
    op.create_table(
        "school_days",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *_counts(),
        sa.PrimaryKeyConstraint("school_id", "day", name="pk_school_days"),
    )
    op.create_table(
        "student_months",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("student_id", ID, nullable=False),
        *_counts(),
        sa.Column("attended_on", sa.Date()),
        sa.Column("absent_after", sa.Integer(), nullable=False),
        sa.Column("absent_from", sa.Date()),
        sa.PrimaryKeyConstraint("school_id", "month", "student_id", name="pk_student_months"),
    )
    op.create_index("ix_student_months_student_id", "student_months", ["student_id"], unique=False)
    # Summarised runs have no months yet: the next report summarises all of them again.
    op.execute("UPDATE batch_runs SET summarised = false WHERE summarised")


def _counts() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in COUNTED]
