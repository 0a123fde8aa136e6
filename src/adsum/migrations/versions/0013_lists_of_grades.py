"""A student may have any number of grades"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("students", "grade", type_=sa.Text(), existing_type=sa.String(32))
