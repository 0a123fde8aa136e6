"""Sessions and their times are valid from a day until before another"""

from datetime import date

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLASSES = sa.table("classes", sa.column("id", ID), sa.column("active", sa.Boolean()))
SESSIONS = sa.table(
    "sessions",
    sa.column("class_id", ID),
    sa.column("active", sa.Boolean()),
    sa.column("begin_date", sa.Date()),
    sa.column("end_date", sa.Date()),
)


def upgrade() -> None:
    for table in ("sessions", "session_times"):
        op.add_column(table, sa.Column("begin_date", sa.Date()))
        op.add_column(table, sa.Column("end_date", sa.Date()))
    op.create_table(
        "session_gaps",
        sa.Column("session_id", ID, nullable=False),
        sa.Column("begin_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_session_gaps_session_id"),
        sa.PrimaryKeyConstraint("session_id", "begin_date", name="pk_session_gaps"),
    )
    with op.batch_alter_table("session_times") as times:
        times.drop_constraint("uq_session_times_session_id_weekday_begins", type_="unique")
        times.create_unique_constraint(
            "uq_session_times_session_id_weekday_begins_begin_date",
            ["session_id", "weekday", "begins", "begin_date"],
        )
    _end_inactive_sessions()


def _end_inactive_sessions() -> None:
    """The days of sessions that have left the roster are unknown, so they are valid on none; the others on all."""
    today = date.today()  # noqa: DTZ011 - any day: the validity is empty
    inactive = sa.select(CLASSES.c.id).where(sa.not_(CLASSES.c.active))
    statement = sa.update(SESSIONS).where(sa.or_(sa.not_(SESSIONS.c.active), SESSIONS.c.class_id.in_(inactive)))
    op.execute(statement.values(begin_date=today, end_date=today))
