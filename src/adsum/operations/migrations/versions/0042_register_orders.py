"""The order of the students in the registers of classes"""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "register_orders",
        sa.Column("class_id", ID, autoincrement=False, nullable=False),
        sa.Column("sort_by", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("class_id", name="pk_register_orders"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_register_orders_class_id"),
    )
    op.create_table(
        "student_seats",
        sa.Column("class_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("class_id", "student_id", name="pk_student_seats"),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_student_seats_class_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_student_seats_student_id"),
    )
    op.create_index("ix_student_seats_student_id", "student_seats", ["student_id"], unique=False)
