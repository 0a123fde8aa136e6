"""Reminders of missing registers"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = "register_reminders"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("learning_date", sa.Date(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reminded_role", sa.String(32), nullable=False),
        sa.Column("user_id", ID),
        sa.Column("key_id", ID),
        sa.PrimaryKeyConstraint("id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=f"fk_{TABLE}_school_id"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=f"fk_{TABLE}_session_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{TABLE}_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=f"fk_{TABLE}_key_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{TABLE}_session_id_learning_date", TABLE, ["session_id", "learning_date"], unique=False)
    op.create_index(f"ix_{TABLE}_school_id_learning_date", TABLE, ["school_id", "learning_date"], unique=False)
