"""Retention: for how long schools keep their data, and what was deleted. Everything is kept until a school decides"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("schools", sa.Column("records_from", sa.Date()))
    op.create_table(
        "retention_periods",
        sa.Column("school_id", ID, autoincrement=False, nullable=False),
        sa.Column("records", sa.Integer()),
        sa.Column("notes", sa.Integer()),
        sa.Column("absences", sa.Integer()),
        sa.Column("students", sa.Integer()),
        sa.Column("first_month", sa.Integer()),
        sa.PrimaryKeyConstraint("school_id", name="pk_retention_periods"),
    )
    op.create_table(
        "retention_runs",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("before", sa.Date(), nullable=False),
        sa.Column("deleted", ID, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("school_id", "kind", "before", name="pk_retention_runs"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_retention_runs_school_id"),
    )
