"""Whether a password is a first one, which works once. All earlier passwords count as chosen"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    op.add_column("users", sa.Column("first_password", sa.String(16)))
