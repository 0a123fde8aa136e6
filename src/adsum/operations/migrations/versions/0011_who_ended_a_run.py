"""The process that ended a run"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("batch_runs", sa.Column("ended_by", sa.String(300)))
