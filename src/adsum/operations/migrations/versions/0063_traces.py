"""Context of traces"""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    op.add_column("batch_runs", sa.Column("trace", sa.String(1000)))


def downgrade() -> None:
    op.drop_column("batch_runs", "trace")
