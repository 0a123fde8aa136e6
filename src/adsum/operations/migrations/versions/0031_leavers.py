"""Teachers whom the roster no longer lists, and who cannot sign in

The next complete roster file finds those of earlier files.
"""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.add_column("users", sa.Column("left_roster", sa.Boolean(), nullable=False, server_default=sa.false()))
