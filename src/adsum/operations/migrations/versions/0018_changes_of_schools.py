"""The changes of the settings of a school, such as its time zone"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "school_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("setting", sa.String(length=32), nullable=False),
        sa.Column("old_value", JSON),
        sa.Column("new_value", JSON),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID),
        sa.Column("key_id", ID),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_school_changes_school_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_school_changes_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_school_changes_key_id"),
        sa.PrimaryKeyConstraint("id", name="pk_school_changes"),
    )
    op.create_index("ix_school_changes_school_id_id", "school_changes", ["school_id", "id"], unique=False)
