"""Holds on the data of students"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "student_holds",
        sa.Column("id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("reference", sa.String(64)),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("placed_role", sa.String(32), nullable=False),
        sa.Column("user_id", ID),
        sa.Column("key_id", ID),
        sa.Column("lifted_at", sa.DateTime(timezone=True)),
        sa.Column("lifted_role", sa.String(32)),
        sa.Column("lifted_user_id", ID),
        sa.Column("lifted_key_id", ID),
        sa.PrimaryKeyConstraint("id", name="pk_student_holds"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_student_holds_student_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_student_holds_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_student_holds_key_id"),
        sa.ForeignKeyConstraint(["lifted_user_id"], ["users.id"], name="fk_student_holds_lifted_user_id"),
        sa.ForeignKeyConstraint(["lifted_key_id"], ["api_keys.id"], name="fk_student_holds_lifted_key_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_student_holds_student_id", "student_holds", ["student_id"], unique=False)
    in_effect = sa.text("lifted_at IS NULL")
    op.create_index(
        "uq_student_holds_in_effect",
        "student_holds",
        ["student_id", "reason"],
        unique=True,
        sqlite_where=in_effect,
        postgresql_where=in_effect,
    )
