"""The letters with which the statuses of a new school begin. Existing schools keep theirs"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.add_column("schools", sa.Column("default_letters", sa.String(4)))
