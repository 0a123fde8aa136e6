"""Contacts of students: guardians, parents and relatives of the roster"""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = "student_contacts"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("school_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("source_id", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("given_name", sa.String(255), nullable=False),
        sa.Column("family_name", sa.String(255), nullable=False),
        sa.Column("phone", sa.String(255)),
        sa.Column("sms", sa.String(255)),
        sa.Column("email", sa.String(255)),
        sa.Column("named_by_student", sa.Boolean(), nullable=False),
        sa.Column("named_by_contact", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("school_id", "student_id", "source_id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=f"fk_{TABLE}_school_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name=f"fk_{TABLE}_student_id"),
    )
    op.create_index(f"ix_{TABLE}_student_id", TABLE, ["student_id"], unique=False)


def downgrade() -> None:
    op.drop_table(TABLE)
