"""Whether the office of a school manages logins"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.add_column(
        "schools", sa.Column("office_manages_logins", sa.Boolean(), nullable=False, server_default=sa.false())
    )
