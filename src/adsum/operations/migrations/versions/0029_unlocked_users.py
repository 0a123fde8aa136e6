"""The number of times that the failed sign-ins of a user were cleared"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("users", sa.Column("unlocks", sa.Integer(), nullable=False, server_default="0"))
