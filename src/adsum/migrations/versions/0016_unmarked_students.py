"""The students without a mark in registers that were taken"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unmarked_students",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("class_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("school_id", "day", "session_id", "student_id", name="pk_unmarked_students"),
    )
    op.create_index("ix_unmarked_students_student_id", "unmarked_students", ["student_id"], unique=False)
    # Summarised days lack these rows: the next report summarises all of them again.
    op.execute("UPDATE batch_runs SET summarised = false WHERE summarised")
