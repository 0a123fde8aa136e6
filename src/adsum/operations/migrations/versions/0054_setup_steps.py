"""The setup of new schools: the steps that somebody has confirmed"""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Schools that have worked with Adsum need no checklist.
DISMISS = """
INSERT INTO setup_steps (school_id, step, confirmed_at)
SELECT s.id, 'all', CURRENT_TIMESTAMP
FROM schools s
WHERE EXISTS (SELECT 1 FROM batch_runs r WHERE r.school_id = s.id)
"""


def upgrade() -> None:
    op.create_table(
        "setup_steps",
        sa.Column("school_id", ID, nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("school_id", "step", name="pk_setup_steps"),
        sa.ForeignKeyConstraint(["school_id"], ["schools.id"], name="fk_setup_steps_school_id"),
    )
    op.execute(DISMISS)
