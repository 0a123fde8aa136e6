"""Registers are announced as taken once, by what the records have after each change"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    # The column was never released. The index of the days keeps the statement short in a table of many years.
    first_day = sa.bindparam("first_day", datetime.now(UTC).date() - timedelta(days=60), sa.Date())
    op.execute(
        sa.text(
            "INSERT INTO announcements (type, day, subject_id) "
            "SELECT DISTINCT 'register.taken', learning_date, session_id FROM batch_runs "
            "WHERE completes_register AND state = 'closed' AND learning_date >= :first_day"
        ).bindparams(first_day)
    )
    op.execute("INSERT INTO event_readers (name, position) SELECT 'register.taken', last_id FROM event_log")
    op.drop_column("batch_runs", "completes_register")


def downgrade() -> None:
    completes = sa.Column("completes_register", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("batch_runs", completes)
    op.execute("DELETE FROM event_readers WHERE name = 'register.taken'")
    op.execute("DELETE FROM announcements WHERE type = 'register.taken'")
