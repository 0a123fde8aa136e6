"""Tables: webhooks, the log of their deliveries, and events that are to be delivered again, single or of a period."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, text

from adsum.platform.database.columns import BigInt, Instant, Json, id_column, metadata, reference

webhooks = Table(
    "webhooks",
    metadata,
    id_column(),
    reference("school", nullable=True),
    Column("url", String(2000), nullable=False),
    # Names of types; empty: all.
    Column("event_types", Json, nullable=False),
    Column("in_order", Boolean, nullable=False),
    # Encrypted: see `platform/secret_box`. The earlier secret signs, too, until it ends.
    Column("secret", String(255), nullable=False),
    Column("earlier_secret", String(255)),
    Column("earlier_ends_at", Instant),
    Column("created_at", Instant, nullable=False),
    # NULL: a release before 0072 has created it, and the audit log does not say who.
    Column("created_role", String(32)),
    Column("created_user_id", BigInt, ForeignKey("users.id")),
    Column("created_key_id", BigInt, ForeignKey("api_keys.id")),
    # The API key that has set the URL: once it has ended, nothing is sent there. NULL: a person has set it.
    Column("ends_with_key_id", BigInt, ForeignKey("api_keys.id")),
    Column("disabled", String(16)),
    Column("disabled_at", Instant),
    # From then on it is invisible, and its rows are deleted in pages.
    Column("deleted_at", Instant),
    # The id of the newest event that it is to receive, as far as the dispatcher knows; its position or less: none.
    Column("newest_id", BigInt, nullable=False, server_default="0"),
    # The id of the event up to which everything was delivered.
    Column("position", BigInt, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("failing_since", Instant),
    Column("next_attempt_at", Instant),
)

# Replays of a period: the events after `position` up to `last_id` are still to be delivered again.
webhook_replays = Table(
    "webhook_replays",
    metadata,
    id_column(),
    Column("webhook_id", BigInt, ForeignKey("webhooks.id"), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("position", BigInt, nullable=False),
    Column("last_id", BigInt, nullable=False),
    Index(None, "webhook_id", "id"),
)

# Single events that are delivered again: on demand, and failed ones of webhooks that deliver in any order.
webhook_retries = Table(
    "webhook_retries",
    metadata,
    Column("webhook_id", BigInt, ForeignKey("webhooks.id"), nullable=False),
    Column("event_id", BigInt, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Instant, nullable=False),
    PrimaryKeyConstraint("webhook_id", "event_id"),
    Index(None, "webhook_id", "next_attempt_at"),
)

HAS_FAILED = text("(status IS NULL OR status < 200 OR status > 299)")
"""The condition of attempts that did not arrive, with the words of their index: only then is it used."""

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    id_column(),
    Column("webhook_id", BigInt, ForeignKey("webhooks.id"), nullable=False),
    # NULL: a test.
    Column("event_id", BigInt),
    Column("event_type", String(32), nullable=False),
    # Which attempt it was since the last success.
    Column("number", Integer, nullable=False, server_default="1"),
    Column("attempted_at", Instant, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    # NULL: there was no answer.
    Column("status", Integer),
    Column("error", String(64)),
    # Of a test alone: the answer to an event may name students.
    Column("answer", String(500), nullable=False, server_default=text("''")),
    Index(None, "webhook_id", "id"),
    Index("ix_webhook_deliveries_failed", "webhook_id", "id", sqlite_where=HAS_FAILED, postgresql_where=HAS_FAILED),
    Index(None, "attempted_at"),
)
