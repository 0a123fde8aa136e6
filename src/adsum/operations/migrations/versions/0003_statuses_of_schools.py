"""Statuses of schools"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "statuses",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("letter", sa.String(length=8), nullable=False),
        sa.Column("counts_as", sa.String(length=16), nullable=False),
        sa.Column("flags", JSON, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("counts_as IN ('attended', 'absent', 'not_expected')", name="ck_statuses_counts_as"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_statuses_school_id"),
        sa.PrimaryKeyConstraint("school_id", "code", name="pk_statuses"),
    )
