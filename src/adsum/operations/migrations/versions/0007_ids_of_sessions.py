"""The id of a session on another platform"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("source_id", sa.String(length=255), nullable=True))
    op.create_index("ix_sessions_source_id", "sessions", ["source_id"], unique=False)
