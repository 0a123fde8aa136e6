"""The checks of events: whether they are numbered, and whether webhooks deliver them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from adsum.accounts.access import system_caller
from adsum.events.health import HealthOfEvents
from adsum.events.webhooks.delivery import owner_of_secret
from adsum.events.webhooks.repository import list_secrets, list_webhooks
from adsum.events.webhooks.rules import Disabled, Webhook
from adsum.operations.doctor.findings import Finding, counted, error, ok, warning
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import ConfigurationError
from adsum.platform.ids import MAX_ID
from adsum.platform.keys import KeyPurpose, KeyRing
from adsum.platform.secret_box import SecretBox, UnknownKey

# A worker numbers and delivers events several times a second.
LATE = timedelta(minutes=5)
# The first retries take less.
FAILING = timedelta(minutes=10)
_SHOW = "adsum webhook list"


async def check_events(database: Database, keys: KeyRing, now: Clock) -> Sequence[Finding]:
    """Whether events reach the feed and the webhooks. Raises Unavailable."""
    health = await HealthOfEvents(database, now).read()
    async with database.snapshot() as connection:
        webhooks = await list_webhooks(connection, system_caller(), now())
        secrets = await list_secrets(connection, 0, MAX_ID)
    if health.unnumbered_for > LATE:
        message = (
            f"{counted(health.unnumbered, 'event')} not in the feed, the oldest for {_minutes(health.unnumbered_for)}"
        )
        events = warning("events", message, "adsum worker")
    else:
        events = ok("events", "the feed is up to date")
    findings = [*_unreadable(secrets, keys), *_disabled(webhooks), *_failing(webhooks, now())]
    if health.waiting_for > LATE:
        message = f"no worker has delivered an event that has waited for {_minutes(health.waiting_for)}"
        findings.append(warning("webhooks", message, "adsum worker"))
    enabled = sum(each.disabled is None for each in webhooks)
    return [events, *(findings or [ok("webhooks", f"{counted(enabled, 'webhook')} enabled")])]


def _unreadable(secrets: Sequence[tuple[int, str, str | None]], keys: KeyRing) -> list[Finding]:
    """The secrets that no key decrypts. If the keys are wrong, the check of the signing keys reports that instead."""
    box = SecretBox(keys, KeyPurpose.WEBHOOKS)
    try:
        ids = [str(webhook_id) for webhook_id, sealed, _ in secrets if not _is_readable(box, webhook_id, sealed)]
    except ConfigurationError:
        return []
    message = f"no signing key decrypts the secret of {counted(len(ids), 'webhook', ids)}"
    return (
        [error("webhooks", message, "adsum webhook rotate ID  # or configure the earlier signing key")] if ids else []
    )


def _is_readable(box: SecretBox, webhook_id: int, sealed: str) -> bool:
    try:
        box.open(sealed, owner_of_secret(webhook_id), is_stored=True)
    except UnknownKey:
        return False
    return True


def _disabled(webhooks: Sequence[Webhook]) -> list[Finding]:
    causes = {
        "their receivers did not take events": (Disabled.FAILING, Disabled.GONE),
        "the API keys that set their URLs were revoked or have expired": (Disabled.KEY_ENDED,),
    }
    remedy = f"{_SHOW}  # then adsum webhook enable ID, or adsum webhook delete ID"
    findings: list[Finding] = []
    for cause, reasons in causes.items():
        ids = [str(each.id) for each in webhooks if each.disabled in reasons]
        if ids:
            findings.append(
                warning("webhooks", f"disabled because {cause}: {counted(len(ids), 'webhook', ids)}", remedy)
            )
    return findings


def _failing(webhooks: Sequence[Webhook], now: datetime) -> list[Finding]:
    ids = [
        str(each.id)
        for each in webhooks
        if each.disabled is None and each.failing_since is not None and now - each.failing_since > FAILING
    ]
    message = f"deliveries fail for more than {_minutes(FAILING)}: {counted(len(ids), 'webhook', ids)}"
    return [warning("webhooks", message, "adsum webhook deliveries ID --failed")] if ids else []


def _minutes(time: timedelta) -> str:
    return counted(int(time.total_seconds() // 60), "minute")
