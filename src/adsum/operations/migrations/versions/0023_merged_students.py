"""Second records of students, and what their merges moved"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("students", sa.Column("merged_into", ID))
    is_merged = sa.text("merged_into IS NOT NULL")
    op.create_index(
        "ix_students_merged_into", "students", ["merged_into"], sqlite_where=is_merged, postgresql_where=is_merged
    )
    op.create_table(
        "student_merges",
        sa.Column("id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("removed_id", ID, nullable=False),
        sa.Column("removed", JSON, nullable=False),
        sa.Column("moved", JSON, nullable=False),
        sa.Column("resolved", JSON, nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merged_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("key_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name="fk_student_merges_student_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_student_merges_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_student_merges_key_id"),
        sa.PrimaryKeyConstraint("id", name="pk_student_merges"),
        sa.UniqueConstraint("removed_id", name="uq_student_merges_removed_id"),
    )
    op.create_index("ix_student_merges_student_id", "student_merges", ["student_id"], unique=False)
