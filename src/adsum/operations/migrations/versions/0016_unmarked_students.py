"""The students without a mark in registers that were taken"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
RUN_ID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
RUNS = sa.table("batch_runs", sa.column("run_id", RUN_ID), sa.column("summarised", sa.Boolean()))
SLICE = 20_000
FIRST = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    op.create_table(
        "unmarked_students",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("school_id", "day", "session_id", "student_id", name="pk_unmarked_students"),
    )
    op.create_index("ix_unmarked_students_student_id", "unmarked_students", ["student_id"], unique=False)
    _mark_all_days_stale()


def _mark_all_days_stale() -> None:
    """Summarised days lack these rows, so reports summarise them again.

    Updates the runs in slices, each of which takes less than the statement timeout.
    """
    run_id, connection, after = RUNS.c.run_id, op.get_bind(), FIRST
    page = sa.select(run_id).order_by(run_id).limit(1)
    update = sa.update(RUNS).where(RUNS.c.summarised).values(summarised=False)
    while last := connection.scalar(page.where(run_id > after).offset(SLICE - 1)):
        connection.execute(update.where(run_id > after, run_id <= last))
        after = last
    connection.execute(update.where(run_id > after))
