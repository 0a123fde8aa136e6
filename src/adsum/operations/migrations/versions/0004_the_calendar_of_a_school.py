"""The calendar of a school"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "session_times",
        sa.Column("id", ID, nullable=False),
        sa.Column("session_id", ID, nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=False),
        sa.Column("begins", sa.String(length=5), nullable=False),
        sa.Column("ends", sa.String(length=5), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_session_times_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_session_times"),
        sa.UniqueConstraint("session_id", "weekday", "begins", name="uq_session_times_session_id_weekday_begins"),
    )
    op.create_table(
        "terms",
        sa.Column("id", ID, nullable=False),
        sa.Column("school_id", ID, nullable=False),
        sa.Column("source_id", sa.String(length=255), nullable=True),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("begin_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_terms_school_id"),
        sa.PrimaryKeyConstraint("id", name="pk_terms"),
        sa.UniqueConstraint("school_id", "source_id", name="uq_terms_school_id_source_id"),
    )
    op.create_index("ix_terms_school_id_begin_date", "terms", ["school_id", "begin_date"], unique=False)
    op.create_table(
        "closed_days",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("from_time", sa.String(length=5), nullable=True),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("created_role", sa.String(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=True),
        sa.Column("key_id", ID, nullable=True),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_closed_days_school_id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_closed_days_user_id"),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_closed_days_key_id"),
        sa.PrimaryKeyConstraint("school_id", "day", name="pk_closed_days"),
    )
    op.add_column("batch_runs", sa.Column("forced_reason", sa.String(length=500), nullable=True))
