"""Second factors of users. Sign-ins remember when they were confirmed, and whether a second factor was given"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NOW = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("users", sa.Column("passkey_handle", sa.String(64)))
    op.create_index("ix_users_passkey_handle", "users", ["passkey_handle"], unique=True)
    op.add_column("sign_ins", sa.Column("confirmed_at", NOW))
    op.add_column("sign_ins", sa.Column("has_second_factor", sa.Boolean(), nullable=False, server_default=sa.false()))
    _factor_table(
        "passkeys",
        sa.Column("credential_id", sa.String(1364), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("transports", sa.String(100), nullable=False, server_default=""),
        sa.Column("sign_count", ID, nullable=False),
        sa.Column("last_challenge", ID, nullable=False, server_default="0"),
        sa.UniqueConstraint("credential_id", name="uq_passkeys_credential_id"),
    )
    _factor_table(
        "totp_apps",
        sa.Column("sealed_secret", sa.String(255), nullable=False),
        sa.Column("last_step", sa.Integer(), nullable=False),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("used_at", NOW),
        sa.PrimaryKeyConstraint("id", name="pk_recovery_codes"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_recovery_codes_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_recovery_codes_user_id_code_hash", "recovery_codes", ["user_id", "code_hash"], unique=True)


def _factor_table(name: str, *of_kind: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", ID, nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        *of_kind,
        sa.Column("created_at", NOW, nullable=False),
        sa.Column("last_used_at", NOW),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{name}_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{name}_user_id", name, ["user_id"])
