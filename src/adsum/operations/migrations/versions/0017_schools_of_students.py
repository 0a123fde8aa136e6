"""The schools of a student besides the home school"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "student_schools",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_student_schools_school_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_student_schools_student_id"),
        sa.PrimaryKeyConstraint("school_id", "student_id", name="pk_student_schools"),
    )
    op.create_index("ix_student_schools_student_id", "student_schools", ["student_id"], unique=False)
