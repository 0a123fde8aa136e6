"""Teachers who cover for others"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "class_covers",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=True),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("begin_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_role", sa.String(length=32), nullable=False),
        sa.Column("created_user_id", ID, nullable=True),
        sa.Column("created_key_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_class_covers_school_id"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_class_covers_class_id"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_class_covers_session_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_class_covers_user_id"),
        sa.ForeignKeyConstraint(["created_user_id"], ["users.id"], name="fk_class_covers_created_user_id"),
        sa.ForeignKeyConstraint(["created_key_id"], ["api_keys.id"], name="fk_class_covers_created_key_id"),
        sa.PrimaryKeyConstraint("id", name="pk_class_covers"),
    )
    op.create_index("ix_class_covers_user_id_class_id", "class_covers", ["user_id", "class_id"], unique=False)
    op.create_index("ix_class_covers_class_id", "class_covers", ["class_id"], unique=False)
    op.create_index("ix_class_covers_school_id_begin_date", "class_covers", ["school_id", "begin_date"], unique=False)
