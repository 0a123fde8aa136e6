"""The email that a provider names, and the last sign-in there"""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    op.add_column("identities", sa.Column("email", sa.String(320)))
    op.add_column("identities", sa.Column("last_used_at", sa.DateTime(timezone=True)))
