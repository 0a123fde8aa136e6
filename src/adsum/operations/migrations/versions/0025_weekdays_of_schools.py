"""The weekdays on which a school is open: Monday to Friday, and those on which it has recorded attendance"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SCHOOLS = sa.table("schools", sa.column("id", ID), sa.column("weekdays", sa.String()))
RUNS = sa.table("batch_runs", sa.column("school_id", ID), sa.column("learning_date", sa.Date()))
MONDAY_TO_FRIDAY = {"1", "2", "3", "4", "5"}


def upgrade() -> None:
    op.add_column("schools", sa.Column("weekdays", sa.String(7), nullable=False, server_default="12345"))
    _begin_with_days_of_records()


def _begin_with_days_of_records() -> None:
    connection = op.get_bind()
    for school_id in connection.scalars(sa.select(SCHOOLS.c.id).order_by(SCHOOLS.c.id)).all():
        days = connection.scalars(sa.select(RUNS.c.learning_date).where(RUNS.c.school_id == school_id).distinct())
        weekdays = "".join(sorted(MONDAY_TO_FRIDAY | {str(day.isoweekday()) for day in days}))
        if weekdays != "12345":
            connection.execute(sa.update(SCHOOLS).where(SCHOOLS.c.id == school_id).values(weekdays=weekdays))
