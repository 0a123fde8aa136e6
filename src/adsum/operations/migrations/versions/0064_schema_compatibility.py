"""The oldest release that works on the schema"""

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"


def upgrade() -> None:
    table = op.create_table(
        "schema_compatibility",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("compatible_from", sa.String(4), nullable=False),
        sa.CheckConstraint("number = 1", name="one_row"),
    )
    op.bulk_insert(table, [{"number": 1, "compatible_from": revision}])


def downgrade() -> None:
    op.drop_table("schema_compatibility")
