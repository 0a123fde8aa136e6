"""When entries of the desk were complete"""

import sqlalchemy as sa
from alembic import op

from adsum.platform.database.columns import Instant

revision = "0071"
down_revision = "0070"


def upgrade() -> None:
    op.add_column("desk_entries", sa.Column("completed_at", Instant))


def downgrade() -> None:
    op.drop_column("desk_entries", "completed_at")
