"""Contacts about unexplained absences"""

import sqlalchemy as sa
from alembic import op

revision = "0052"
down_revision = "0051"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLE = "absence_contacts"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("result", sa.String(16), nullable=False),
        sa.Column("person", sa.String(100)),
        sa.Column("note", sa.String(500)),
        sa.Column("contacted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("contacted_role", sa.String(32), nullable=False),
        sa.Column("user_id", ID),
        sa.Column("key_id", ID),
        sa.PrimaryKeyConstraint("id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=f"fk_{TABLE}_school_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name=f"fk_{TABLE}_student_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{TABLE}_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=f"fk_{TABLE}_key_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{TABLE}_school_id_day", TABLE, ["school_id", "day"], unique=False)
    op.create_index(f"ix_{TABLE}_student_id_day", TABLE, ["student_id", "day"], unique=False)
