"""Finds a webhook that a caller sees, and records what they do with it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adsum.accounts.access import Caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action, Details
from adsum.events.webhooks import repository as statements
from adsum.events.webhooks.rules import Webhook
from adsum.platform.database.engine import Connection
from adsum.platform.errors import NotFound


async def require_webhook(
    connection: Connection, webhook_id: int, caller: Caller, now: datetime, *, lock: bool = False
) -> Webhook:
    """The webhook. Raises NotFound: there is none, or the caller does not see it."""
    webhook = await statements.find_webhook(connection, webhook_id, caller, now, lock=lock)
    if webhook is None:
        raise NotFound(f"there is no webhook {webhook_id}", id=webhook_id)
    return webhook


async def record_action(
    connection: Connection,
    caller: Caller,
    action: Action,
    webhook: Webhook,
    *,
    before: Details | None = None,
    after: Details | None = None,
) -> None:
    """Records an action in the log of the school of the webhook."""
    await record(connection, caller, action, school_id=webhook.school_id, before=before, after=after)


def details_of(webhook: Webhook) -> Mapping[str, Any]:
    """The content for the audit log. The path and the query of a URL may hold a secret of the receiver."""
    return {
        "webhook_id": webhook.id,
        "host": webhook.host,
        "url_sha256": hashlib.sha256(webhook.url.encode()).hexdigest(),
        "event_types": list(webhook.event_types),
        "in_order": webhook.in_order,
        "disabled": webhook.disabled,
        "ends_with_key_id": webhook.ends_with_key_id,
    }
