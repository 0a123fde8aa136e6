"""Changes of records have the learning date of their record, by which they can be partitioned"""

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    # `adsum year partition` fills it in older rows. Nothing reads it before.
    op.add_column("attendance_changes", sa.Column("learning_date", sa.Date, nullable=True))


def downgrade() -> None:
    op.drop_column("attendance_changes", "learning_date")
