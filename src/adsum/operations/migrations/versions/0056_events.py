"""Events"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0056"
down_revision = "0055"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
RUN_ID = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")


def upgrade() -> None:
    op.create_table(
        "new_events",
        sa.Column("id", ID, nullable=False),
        *_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_new_events"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False, autoincrement=False),
        *_columns(),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_table(
        "event_log",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("last_id", ID, nullable=False),
        sa.Column("pruned_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_event_log"),
        sa.CheckConstraint("number = 1", name="ck_event_log_one_row"),
    )
    op.create_table(
        "announcements",
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("type", "day", "subject_id", name="pk_announcements"),
    )
    op.create_table(
        "event_readers",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("position", ID, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_event_readers"),
    )
    op.add_column(
        "batch_runs", sa.Column("completes_register", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    if op.get_context().dialect.name == "postgresql":
        # Rows come and go by the thousand: without frequent vacuuming, reading the oldest would step over dead ones.
        op.execute(
            "ALTER TABLE new_events SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)"
        )


def downgrade() -> None:
    op.drop_column("batch_runs", "completes_register")
    for table in ("event_readers", "announcements", "event_log", "events", "new_events"):
        op.drop_table(table)


def _columns() -> list[sa.Column[object]]:
    return [
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("school_id", ID),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", RUN_ID),
        sa.Column("data", JSON),
    ]
