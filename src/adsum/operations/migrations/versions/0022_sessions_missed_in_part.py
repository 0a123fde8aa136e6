"""From which share of its minutes on a session counts as missed in reports"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.add_column("schools", sa.Column("missed_from_percent", sa.Integer()))
