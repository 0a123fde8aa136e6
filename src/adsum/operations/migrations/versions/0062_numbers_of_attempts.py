"""Numbers of attempts to deliver to webhooks"""

import sqlalchemy as sa
from alembic import op

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    op.add_column("webhook_deliveries", sa.Column("number", sa.Integer(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("webhook_deliveries", "number")
