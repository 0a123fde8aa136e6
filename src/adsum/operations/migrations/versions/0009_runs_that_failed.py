"""An index of runs in which students failed"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

FAILED = sa.text("failed_jobs > 0")


def upgrade() -> None:
    op.create_index(
        "ix_batch_runs_failed",
        "batch_runs",
        ["learning_date", "session_id"],
        unique=False,
        sqlite_where=FAILED,
        postgresql_where=FAILED,
    )
