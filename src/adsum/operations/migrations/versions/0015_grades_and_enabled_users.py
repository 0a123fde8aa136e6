"""A student may have any number of grades, and a roster enables and disables the logins of its teachers"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("users", sa.Column("enabled_in_roster", sa.Boolean(), nullable=False, server_default=sa.true()))
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("students", "grade", type_=sa.Text(), existing_type=sa.String(32))
