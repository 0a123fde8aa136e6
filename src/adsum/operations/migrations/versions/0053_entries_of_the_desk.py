"""Late arrivals and early departures"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0053"
down_revision = "0052"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TABLE = "desk_entries"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("student_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("time", sa.String(5), nullable=False),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("absence_id", ID),
        sa.Column("runs", JSON, nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entered_role", sa.String(32), nullable=False),
        sa.Column("user_id", ID),
        sa.Column("key_id", ID),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name=f"fk_{TABLE}_school_id"),
        sa.ForeignKeyConstraint(["student_id"], ["students.id"], name=f"fk_{TABLE}_student_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{TABLE}_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=f"fk_{TABLE}_key_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{TABLE}_school_id_day", TABLE, ["school_id", "day"], unique=False)
    op.create_index(f"ix_{TABLE}_student_id_day", TABLE, ["student_id", "day"], unique=False)
