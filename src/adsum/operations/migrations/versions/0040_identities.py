"""Accounts of users at OpenID Connect providers, and the sign-ins that began there"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "identities",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("issuer", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_identities"),
        sa.UniqueConstraint("issuer", "subject", name="uq_identities_issuer_subject"),
        sa.UniqueConstraint("user_id", "issuer", name="uq_identities_user_id_issuer"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id"),
        sqlite_autoincrement=True,
    )
    op.add_column("sign_ins", sa.Column("issuer", sa.String(255)))
    op.add_column("sign_ins", sa.Column("provider_session", sa.String(64)))
    op.create_index("ix_sign_ins_provider_session", "sign_ins", ["provider_session"], unique=False)
