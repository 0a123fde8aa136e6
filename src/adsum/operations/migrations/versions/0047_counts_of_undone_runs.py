"""How many records of a run were set back, and how many the last undo has left. Revision 0048 fills them"""

import sqlalchemy as sa
from alembic import op

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    for name in ("undone_jobs", "not_undone_jobs"):
        op.add_column("batch_runs", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
