"""Tables: users, sign-ins, identities, API keys and their former secrets, and the classes that users teach or cover."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    and_,
    false,
    not_,
    or_,
    true,
)

from adsum.platform.database.columns import BigInt, Instant, Json, id_column, metadata, reference
from adsum.platform.database.search import search_column

# A roster import adds teachers without an email and a password. `user add --teacher` sets both.
users = Table(
    "users",
    metadata,
    id_column(),
    reference("school", nullable=True),
    Column("source_id", String(255)),
    Column("email", String(320), unique=True),
    Column("password_hash", String(255)),
    # NULL: the user has chosen the password. Else it was generated for them, and `unused` or `used` says whether they
    # have signed in with it.
    Column("first_password", String(16)),
    Column("given_name", String(255), nullable=False, server_default=""),
    Column("family_name", String(255), nullable=False, server_default=""),
    search_column("given_name", "family_name", "source_id"),
    Column("role", String(32), nullable=False),
    # Set by admins. `is_disabled` says who cannot sign in.
    Column("disabled", Boolean, nullable=False, server_default=false()),
    # `enabledUser` of the newest roster file that has it.
    Column("enabled_in_roster", Boolean, nullable=False, server_default=true()),
    # The roster has listed this teacher, and no longer does.
    Column("left_roster", Boolean, nullable=False, server_default=false()),
    # A sign-in has the generation in which it was made. Incrementing it ends all sign-ins of the user.
    Column("token_generation", Integer, nullable=False, server_default="0"),
    # Part of the keys of failed sign-ins. Incrementing it clears those of the account.
    Column("unlocks", Integer, nullable=False, server_default="0"),
    # Random. Passkeys hold it instead of the id or the email. NULL: the user never had a passkey.
    Column("passkey_handle", String(64)),
    # Of the pages. NULL: that of the browser.
    Column("language", String(8)),
    # Such a row has no name, email, source id or login. It stays as the author of marks, corrections and audit entries.
    Column("erased_at", Instant),
    UniqueConstraint("school_id", "source_id"),
    Index(None, "passkey_handle", unique=True),
)

# A sign-in lasts until its row is deleted, its time is over, or the generation of its user is incremented.
sign_ins = Table(
    "sign_ins",
    metadata,
    id_column(),
    # Random. The token contains it.
    Column("key", String(32), nullable=False, unique=True),
    reference("user"),
    Column("kind", String(16), nullable=False),
    Column("generation", Integer, nullable=False),
    # The browser or program, as it names itself.
    Column("agent", String(255), nullable=False, server_default=""),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    # When the user last proved by a password or a second factor that it is them. NULL: before this was stored.
    Column("confirmed_at", Instant),
    # A second factor was given, or set up by this sign-in.
    Column("has_second_factor", Boolean, nullable=False, server_default=false()),
    # Of a sign-in at a provider: its issuer, and the hash of the session there, if the provider names it.
    Column("issuer", String(255)),
    Column("provider_session", String(64)),
    Index(None, "user_id"),
    Index(None, "provider_session"),
)

# Sign-ins on the page that lack the second factor. A row goes when the sign-in is complete, or its failure is recorded.
# No column references another table: the entry of the audit log outlives the user.
pending_sign_ins = Table(
    "pending_sign_ins",
    metadata,
    id_column(),
    # Random. The cookie of the browser contains it.
    Column("key", String(32), nullable=False, unique=True),
    Column("user_id", BigInt, nullable=False),
    # Of the provider that has authenticated the user; NULL: their password.
    Column("issuer", String(255)),
    Column("address", String(64)),
    Column("agent", String(120)),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Index(None, "ends_at"),
)

# The accounts of users at OpenID Connect providers. `subject` never changes there, emails do.
identities = Table(
    "identities",
    metadata,
    id_column(),
    reference("user"),
    Column("issuer", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    # As the provider named it at the last sign-in. NULL: it names none, or there was no sign-in since this is stored.
    Column("email", String(320)),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    UniqueConstraint("issuer", "subject"),
    UniqueConstraint("user_id", "issuer"),
)

is_erased = users.c.erased_at.is_not(None)

# A login that an admin has disabled, or the login of a teacher that the roster has disabled.
is_disabled = or_(
    users.c.disabled,
    and_(users.c.role == "teacher", or_(users.c.left_roster, not_(users.c.enabled_in_roster))),
)

class_teachers = Table(
    "class_teachers",
    metadata,
    id_column(),
    reference("class"),
    reference("user"),
    Column("source_id", String(255)),
    Column("begin_date", Date),
    Column("end_date", Date),
    # As in enrolments.
    Column("begin_from_terms", Boolean, nullable=False, server_default=false()),
    Column("end_from_terms", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("class_id", "source_id"),
    Index(None, "user_id", "class_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    id_column(),
    Column("name", String(255), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("permissions", Json, nullable=False),
    # NULL: all schools.
    Column("schools", Json),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    # The user who is responsible for the key. NULL: nobody.
    Column("owner_id", BigInt, ForeignKey("users.id")),
    # NULL: the key does not expire.
    Column("expires_at", Instant),
    # Networks from which the key may be used, such as `10.0.0.0/8`. NULL: all.
    Column("networks", Json),
    # When the present secret was made. NULL: with the key.
    Column("secret_created_at", Instant),
    # The last use of the present secret, and its address. Noted every few minutes.
    Column("last_used_at", Instant),
    Column("last_address", String(45)),
    Index(None, "owner_id"),
)

# Secrets that a rotation has replaced. They work until they end, and stay for the time of their last use.
former_secrets = Table(
    "former_secrets",
    metadata,
    id_column(),
    reference("api_key"),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Column("last_address", String(45)),
    Index(None, "api_key_id"),
)

# Teachers who substitute for others. Set by the office; roster imports do not change them. Ends before end_date.
class_covers = Table(
    "class_covers",
    metadata,
    id_column(),
    reference("school"),
    reference("class"),
    # NULL: the whole class.
    reference("session", nullable=True),
    reference("user"),
    Column("begin_date", Date, nullable=False),
    Column("end_date", Date, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_role", String(32), nullable=False),
    Column("created_user_id", BigInt, ForeignKey("users.id")),
    Column("created_key_id", BigInt, ForeignKey("api_keys.id")),
    Index(None, "user_id", "class_id"),
    Index(None, "class_id"),
    Index(None, "school_id", "begin_date"),
)
