"""Numbers of shards of the queue"""

import sqlalchemy as sa
from alembic import op

from adsum.platform.database.columns import Instant

revision = "0070"
down_revision = "0066"


def upgrade() -> None:
    op.create_table(
        "queue_shards",
        sa.Column("shards", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("used_at", Instant, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("queue_shards")
