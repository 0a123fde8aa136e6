"""When a run was undone, as the state of its batch, and an index of the runs of a user"""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"

UNDONE = sa.text("undone_at IS NOT NULL")
OF_USERS = sa.text("user_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("batch_runs", sa.Column("undone_at", sa.DateTime(timezone=True)))
    _mark_undone_runs()
    op.create_index(
        "ix_batch_runs_undone",
        "batch_runs",
        ["learning_date", "session_id"],
        unique=False,
        sqlite_where=UNDONE,
        postgresql_where=UNDONE,
    )
    op.create_index(
        "ix_batch_runs_user_id",
        "batch_runs",
        ["user_id"],
        unique=False,
        sqlite_where=OF_USERS,
        postgresql_where=OF_USERS,
    )


def _mark_undone_runs() -> None:
    op.execute(
        """
        UPDATE batch_runs SET undone_at = undone.at
        FROM (
            SELECT undoes_run_id AS run_id, max(changed_at) AS at
            FROM attendance_changes
            WHERE undoes_run_id IS NOT NULL
            GROUP BY undoes_run_id
        ) AS undone
        WHERE batch_runs.run_id = undone.run_id
        """
    )
