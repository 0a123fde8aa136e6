"""Tables: passkeys, authenticator apps and recovery codes of users."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from adsum.platform.database.columns import BigInt, Instant, id_column, metadata, reference

passkeys = Table(
    "passkeys",
    metadata,
    id_column(),
    reference("user"),
    Column("name", String(64), nullable=False),
    # base64url, of up to 1,023 bytes.
    Column("credential_id", String(1364), nullable=False, unique=True),
    Column("public_key", Text, nullable=False),
    # How browsers reach it, such as `usb`, separated by commas.
    Column("transports", String(100), nullable=False, server_default=""),
    Column("sign_count", BigInt, nullable=False),
    # When the newest challenge was made that it has answered, in microseconds since 1970: a challenge works once.
    Column("last_challenge", BigInt, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Index(None, "user_id"),
)

# Apps that show one-time codes (TOTP). A row exists once a code has confirmed its secret.
totp_apps = Table(
    "totp_apps",
    metadata,
    id_column(),
    reference("user"),
    Column("name", String(64), nullable=False),
    # Encrypted: see `secret_box`.
    Column("sealed_secret", String(255), nullable=False),
    # The time step of the last code, which works once, as do all earlier ones.
    Column("last_step", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Index(None, "user_id"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    id_column(),
    reference("user"),
    Column("code_hash", String(64), nullable=False),
    # NULL: the code can still be used.
    Column("used_at", Instant),
    Index(None, "user_id", "code_hash", unique=True),
)
