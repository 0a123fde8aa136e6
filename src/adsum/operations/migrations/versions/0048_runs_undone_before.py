"""The runs that were undone before, from the history of their records"""

import sqlalchemy as sa
from alembic import op

from adsum.operations.migrations.online import read, slices

revision = "0048"
down_revision = "0047"
ONLINE = True

UNDONE = """
SELECT CAST(undoes_run_id AS text), max(changed_at), count(DISTINCT attendance_id)
FROM attendance_changes
WHERE undoes_run_id IS NOT NULL
GROUP BY undoes_run_id
ORDER BY 1
"""
# An undo of a process of the version before may have set the time meanwhile.
MARK = sa.text(
    """
    UPDATE batch_runs
    SET undone_at = COALESCE(undone_at, :at),
        undone_jobs = :number,
        not_undone_jobs = CASE WHEN recorded_jobs > :number THEN recorded_jobs - :number ELSE 0 END
    WHERE run_id = :run_id
    """
)


def upgrade() -> None:
    for rows in slices(read(UNDONE)):
        undone = [{"run_id": run_id, "at": at, "number": number} for run_id, at, number in rows]
        op.get_bind().execute(MARK, undone)
