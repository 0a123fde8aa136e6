"""When a run was undone, as the state of its batch. Revision 0048 fills it"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    op.add_column("batch_runs", sa.Column("undone_at", sa.DateTime(timezone=True)))
