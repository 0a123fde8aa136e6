"""Classes run in terms, which bound enrolments without dates"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("terms", sa.Column("kind", sa.String(16), nullable=True))
    op.add_column("terms", sa.Column("parent_source_id", sa.String(255), nullable=True))
    op.add_column("terms", sa.Column("opens_school", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("classes", sa.Column("term_source_ids", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "class_terms",
        sa.Column("class_id", ID, nullable=False),
        sa.Column("term_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name="fk_class_terms_class_id"),
        sa.ForeignKeyConstraint(["term_id"], ["terms.id"], name="fk_class_terms_term_id"),
        sa.PrimaryKeyConstraint("class_id", "term_id", name="pk_class_terms"),
    )
    op.create_index("ix_class_terms_term_id", "class_terms", ["term_id"], unique=False)
    for table in ("enrolments", "class_teachers"):
        for column in ("begin_from_terms", "end_from_terms"):
            op.add_column(table, sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.false()))
