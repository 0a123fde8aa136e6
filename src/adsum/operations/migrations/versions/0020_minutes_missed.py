"""The minutes of sessions, and those that were missed, in the summaries of reports"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"

SUMMARIES = ("student_days", "class_days", "school_days", "student_months")
RUN_ID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
RUNS = sa.table("batch_runs", sa.column("run_id", RUN_ID), sa.column("summarised", sa.Boolean()))
SLICE = 20_000
FIRST = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    # First, since each ALTER locks its table against every report until the migration is committed.
    _mark_all_days_stale()
    for table in SUMMARIES:
        for name in ("minutes", "minutes_missed"):
            op.add_column(table, sa.Column(name, sa.Integer(), server_default="0", nullable=False))


def _mark_all_days_stale() -> None:
    """Summarised days lack the minutes, so reports summarise them again.

    Updates the runs in slices, each of which takes less than the statement timeout.
    """
    run_id, connection, after = RUNS.c.run_id, op.get_bind(), FIRST
    page = sa.select(run_id).order_by(run_id).limit(1)
    update = sa.update(RUNS).where(RUNS.c.summarised).values(summarised=False)
    while last := connection.scalar(page.where(run_id > after).offset(SLICE - 1)):
        connection.execute(update.where(run_id > after, run_id <= last))
        after = last
    connection.execute(update.where(run_id > after))
