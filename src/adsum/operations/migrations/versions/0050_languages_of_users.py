"""The language of the pages of a user"""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    op.add_column("users", sa.Column("language", sa.String(8)))
