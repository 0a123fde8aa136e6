"""Registers are announced as taken once, by what the records have after each change"""

import sqlalchemy as sa
from alembic import op

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    op.execute(
        "INSERT INTO announcements (type, day, subject_id) "
        "SELECT DISTINCT 'register.taken', learning_date, session_id FROM batch_runs "
        "WHERE completes_register AND state = 'closed'"
    )
    op.execute("INSERT INTO event_readers (name, position) SELECT 'register.taken', last_id FROM event_log")
    op.drop_column("batch_runs", "completes_register")


def downgrade() -> None:
    completes = sa.Column("completes_register", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("batch_runs", completes)
    op.execute("DELETE FROM event_readers WHERE name = 'register.taken'")
    op.execute("DELETE FROM announcements WHERE type = 'register.taken'")
