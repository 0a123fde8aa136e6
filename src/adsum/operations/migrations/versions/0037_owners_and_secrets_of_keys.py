"""Owner, expiry, networks and last use of API keys, and the former secrets of keys that were rotated"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0037"
down_revision = "0036"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    # SQLite makes the table again, since a reference cannot be added.
    with op.batch_alter_table("api_keys", table_kwargs={"sqlite_autoincrement": True}) as keys:
        keys.add_column(sa.Column("owner_id", ID))
        keys.add_column(sa.Column("expires_at", INSTANT))
        keys.add_column(sa.Column("networks", JSON))
        keys.add_column(sa.Column("secret_created_at", INSTANT))
        keys.add_column(sa.Column("last_used_at", INSTANT))
        keys.add_column(sa.Column("last_address", sa.String(45)))
        keys.create_foreign_key("fk_api_keys_owner_id", "users", ["owner_id"], ["id"])
    op.create_index("ix_api_keys_owner_id", "api_keys", ["owner_id"], unique=False)
    op.create_table(
        "former_secrets",
        sa.Column("id", ID, nullable=False),
        sa.Column("api_key_id", ID, nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("ends_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT),
        sa.Column("last_address", sa.String(45)),
        sa.PrimaryKeyConstraint("id", name="pk_former_secrets"),
        sa.UniqueConstraint("secret_hash", name="uq_former_secrets_secret_hash"),
        sa.ForeignKeyConstraint(["api_key_id"], ["api_keys.id"], name="fk_former_secrets_api_key_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_former_secrets_api_key_id", "former_secrets", ["api_key_id"], unique=False)
