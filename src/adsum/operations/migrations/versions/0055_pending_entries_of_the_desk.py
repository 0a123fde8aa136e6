"""Entries of the desk whose marks are still to be submitted"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0055"
down_revision = "0054"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("desk_entries", sa.Column("pending", JSON))


def downgrade() -> None:
    op.drop_column("desk_entries", "pending")
