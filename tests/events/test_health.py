"""The metrics of events and webhooks, and the findings of the doctor, tell what waits and what fails."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, update

from adsum.accounts.access import system_caller
from adsum.events.health import HealthOfEvents
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhooks
from adsum.operations.doctor.events import check_events
from adsum.operations.doctor.findings import Severity
from adsum.platform.clock import Clock, system_clock
from adsum.platform.database.new_events import EventType, NewEvent, events, write_events
from adsum.platform.keys import KeyRing
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import (
    NOW,
    Receiver,
    adsum,
    caller_with_key,
    deliver,
    happen,
    receiver,
    settings,
    webhook,
)

__all__ = ["adsum", "receiver", "settings", "webhook"]
CALLER = system_caller()
KEYS = KeyRing.of("x" * 64)


async def scraped(adsum: Adsum) -> Mapping[str, float]:
    """The metrics of events by name, with the value of their label."""
    adsum.metrics.events.set_health(await HealthOfEvents(adsum.database, adsum.now).read())
    text = generate_latest(adsum.metrics.registry).decode()
    return {
        " ".join((sample.name, *(value for name, value in sample.labels.items() if name != "le"))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def found(adsum: Adsum, now: Clock = system_clock, keys: KeyRing = KEYS) -> list[tuple[str, str, str]]:
    return [(each.check, each.severity.value, each.message) for each in await check_events(adsum.database, keys, now)]


async def test_attempts_are_counted_by_outcome_with_their_duration(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    receiver.answer_of = lambda number: (204, 500, 0)[number]
    await happen(adsum, [0, 1])
    await deliver(adsum, webhook)
    await deliver(adsum, webhook, system_clock() + timedelta(minutes=1))

    shown = await scraped(adsum)

    outcomes = ("delivered", "not_accepted", "connection_broken", "timeout")
    assert [shown[f"adsum_webhook_deliveries_total {outcome}"] for outcome in outcomes] == [1, 1, 1, 0]
    assert shown["adsum_webhook_delivery_seconds_count"] == 3


async def test_a_test_of_a_webhook_is_no_delivery(adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret) -> None:
    await adsum.webhooks.test(webhook.webhook.id, CALLER)

    assert (await scraped(adsum))["adsum_webhook_delivery_seconds_count"] == 0


async def test_the_backlog_of_webhooks_and_its_age_are_measured(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    now = system_clock()
    empty = await scraped(adsum)
    receiver.answer_of = lambda _: 500
    off = await adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    await adsum.webhooks.change(off.webhook.id, CALLER, enabled=False)
    await happen(adsum, [0, 1], now - timedelta(hours=1))
    await happen(adsum, [2], now)
    waiting = await found(adsum)
    await adsum.dispatch.dispatch()
    await deliver(adsum, webhook)
    failing = await scraped(adsum)
    async with adsum.database.transaction() as connection:
        await connection.execute(delete(events))

    names = ("webhooks delivering", "webhooks failing", "webhooks disabled_by_person", "webhook_backlog_events")
    assert [empty[f"adsum_{name}"] for name in names] == [1, 0, 0, 0]
    assert [failing[f"adsum_{name}"] for name in names] == [0, 1, 1, 3]
    assert empty["adsum_oldest_undelivered_event_seconds"] == 0
    assert 3600 <= failing["adsum_oldest_undelivered_event_seconds"] < 3660
    assert waiting[-1] == ("webhooks", "warning", "no worker has delivered an event that has waited for 60 minutes")
    assert (await scraped(adsum))["adsum_oldest_undelivered_event_seconds"] == 0


async def test_replays_are_counted_until_they_are_delivered(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    await deliver(adsum, webhook)
    await adsum.webhook_replays.replay_event(webhook.webhook.id, 1, CALLER)
    await adsum.webhook_replays.replay_period(webhook.webhook.id, NOW, NOW + timedelta(hours=1), CALLER)
    replaying = await scraped(adsum)
    await deliver(adsum, webhook)
    delivered = await scraped(adsum)

    for name in ("adsum_webhook_retries", "adsum_webhook_replays"):
        assert (replaying[name], delivered[name]) == (1, 0)


async def test_the_lag_of_the_feed_is_measured(adsum: Adsum) -> None:
    earlier = system_clock() - timedelta(minutes=7)
    async with adsum.database.transaction() as connection:
        await write_events(connection, [NewEvent(EventType.ROSTER_IMPORTED, None, {})], earlier)

    late, findings = await scraped(adsum), await found(adsum)
    await adsum.event_numbering.number()
    current = await scraped(adsum)

    assert (late["adsum_unnumbered_events"], current["adsum_unnumbered_events"]) == (1, 0)
    assert 420 <= late["adsum_event_numbering_lag_seconds"] < 480
    assert current["adsum_event_numbering_lag_seconds"] == 0
    assert findings[0] == ("events", "warning", "1 event not in the feed, the oldest for 7 minutes")
    assert (await found(adsum))[0] == ("events", "ok", "the feed is up to date")


async def test_without_a_fault_the_doctor_counts_the_enabled_webhooks(adsum: Adsum, webhook: WebhookWithSecret) -> None:
    assert (await found(adsum))[1:] == [("webhooks", "ok", "1 webhook enabled")]


async def test_the_doctor_names_webhooks_that_fail_and_those_that_adsum_has_disabled(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    gone = await adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    await happen(adsum, [0], system_clock())
    receiver.answer_of = lambda number: 410 if number == 0 else 500
    await deliver(adsum, gone)
    await deliver(adsum, webhook)

    soon, late = await found(adsum), await found(adsum, lambda: system_clock() + timedelta(minutes=11))

    disabled = f"disabled because their receivers did not take events: 1 webhook: {gone.webhook.id}"
    failing = f"deliveries fail for more than 10 minutes: 1 webhook: {webhook.webhook.id}"
    assert soon[1:] == [("webhooks", "warning", disabled)]
    assert ("webhooks", "warning", failing) in late


async def test_the_doctor_names_webhooks_whose_key_has_ended(adsum: Adsum, receiver: Receiver) -> None:
    key = await caller_with_key(adsum, system_clock() + timedelta(days=1))
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url), key)

    cause = "the API keys that set their URLs were revoked or have expired"
    message = f"disabled because {cause}: 1 webhook: {webhook.webhook.id}"
    assert (await found(adsum))[1:] == [("webhooks", "ok", "1 webhook enabled")]
    assert (await found(adsum, lambda: system_clock() + timedelta(days=2)))[1:] == [("webhooks", "warning", message)]


async def test_the_doctor_finds_secrets_that_no_key_decrypts(adsum: Adsum, webhook: WebhookWithSecret) -> None:
    message = f"no signing key decrypts the secret of 1 webhook: {webhook.webhook.id}"
    with_other = await found(adsum, keys=KeyRing.of("y" * 64))
    without = await found(adsum, keys=KeyRing.of(None))

    assert with_other[1:] == [("webhooks", Severity.ERROR.value, message)]
    assert without[1:] == [("webhooks", "ok", "1 webhook enabled")]


@pytest.mark.parametrize("column", ["secret", "earlier_secret"])
async def test_each_secret_can_be_lost(adsum: Adsum, webhook: WebhookWithSecret, column: str) -> None:
    async with adsum.database.transaction() as connection:
        await connection.execute(update(webhooks).values({column: "v1.unreadable"}))

    assert (len(await found(adsum)), (await found(adsum))[1][1]) == (2, "error" if column == "secret" else "ok")


async def test_each_count_looks_at_a_limited_number_of_rows(adsum: Adsum, receiver: Receiver) -> None:
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url, in_order=False), CALLER)
    health = HealthOfEvents(adsum.database, adsum.now, counted_at_most=2)
    receiver.answer_of = lambda _: 500
    await happen(adsum, range(3))
    await adsum.dispatch.dispatch()
    behind = await health.read()
    await deliver(adsum, webhook)
    async with adsum.database.transaction() as connection:
        await write_events(connection, [NewEvent(EventType.ROSTER_IMPORTED, None, {})] * 3, NOW)

    failed = await health.read()

    assert (behind.backlog, failed.retries, failed.unnumbered) == (2, 2, 2)
    assert failed.unnumbered_for > timedelta(days=1)
