"""The sources of rosters"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    op.create_table(
        "roster_sources",
        sa.Column("url", sa.String(255), nullable=False),
        sa.Column("seen", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
        sa.Column("full_at", sa.DateTime(timezone=True)),
        sa.Column("synced_at", sa.DateTime(timezone=True)),
        sa.Column("tried_at", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
        sa.Column("claim", sa.String(36)),
        sa.Column("claimed_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("url", name="pk_roster_sources"),
    )
