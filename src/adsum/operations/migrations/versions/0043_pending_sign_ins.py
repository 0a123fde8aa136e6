"""Sign-ins that lack the second factor, until they are complete or recorded as failed"""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "pending_sign_ins",
        sa.Column("id", ID, nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("issuer", sa.String(255)),
        sa.Column("address", sa.String(64)),
        sa.Column("agent", sa.String(120)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pending_sign_ins"),
        sa.UniqueConstraint("key", name="uq_pending_sign_ins_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_pending_sign_ins_ends_at", "pending_sign_ins", ["ends_at"], unique=False)
