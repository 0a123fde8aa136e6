"""The fence of a session: whether its state has changed since a submission read it"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
