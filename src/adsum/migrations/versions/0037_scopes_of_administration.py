"""Offices that manage logins, and erased members of staff"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    op.add_column(
        "schools", sa.Column("office_manages_logins", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("users", sa.Column("erased_at", sa.DateTime(timezone=True)))
