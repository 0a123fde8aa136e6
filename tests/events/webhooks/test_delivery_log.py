"""The log of deliveries: each attempt with its number and the next one, kept for a time, without texts of receivers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from adsum.events.health import HealthOfEvents
from adsum.events.webhooks.pruning import DeletedWebhooks, DeliveryPruning
from adsum.events.webhooks.rules import MAX_ANSWER
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhook_deliveries, webhook_replays, webhook_retries
from adsum.events.webhooks.tables import webhooks as webhook_table
from adsum.platform.clock import system_clock
from adsum.platform.errors import NotFound
from adsum.platform.paging import PageRequest
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import CALLER, Receiver, deliver, happen, log, replay_all


async def numbers(adsum: Adsum, webhook: WebhookWithSecret) -> list[tuple[int | None, int, bool]]:
    """Of each entry of the log: the event, the number of the attempt, and whether the next one is announced there."""
    page = await adsum.webhooks.page_of_deliveries(webhook.webhook.id, CALLER, PageRequest(limit=200))
    return [(each.event_id, each.number, each.next_attempt_at is not None) for each in page.items]


async def test_the_log_numbers_attempts_in_order_and_has_the_next_one_at_the_last(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    receiver.answer_of = lambda number: 204 if number in (0, 3) else 500
    await happen(adsum, range(2))
    now = system_clock()
    for minutes in range(2):
        await deliver(adsum, webhook, now + timedelta(hours=minutes))
    failing = await numbers(adsum, webhook)
    await deliver(adsum, webhook, now + timedelta(hours=2))
    await adsum.webhook_replays.replay_event(webhook.webhook.id, 1, CALLER)
    await deliver(adsum, webhook)

    assert failing == [(2, 2, True), (2, 1, False), (1, 1, False)]
    assert await numbers(adsum, webhook) == [(1, 1, True), (2, 3, False), *[(each, n, False) for each, n, _ in failing]]


async def test_the_log_numbers_attempts_in_any_order(adsum: Adsum, receiver: Receiver) -> None:
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url, in_order=False), CALLER)
    receiver.answer_of = lambda _: 500
    await happen(adsum, [1])
    await deliver(adsum, webhook)
    await deliver(adsum, webhook, system_clock() + timedelta(hours=1))
    failing = await numbers(adsum, webhook)
    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=False)

    assert failing == [(1, 2, True), (1, 1, False)]
    assert await numbers(adsum, webhook) == [(1, 2, False), (1, 1, False)]


async def test_the_answer_to_an_event_is_not_stored_and_the_beginning_of_that_to_a_test_is(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    receiver.answer_of, receiver.content = lambda _: 400, b"no\x00 \xff" + b"x" * 100_000

    await deliver(adsum, webhook)
    attempt = await adsum.webhooks.test(webhook.webhook.id, CALLER)

    page = await adsum.webhooks.page_of_deliveries(webhook.webhook.id, CALLER, PageRequest())
    of_test, of_event = [(each.event_id, each.attempt.answer) for each in page.items]
    assert of_event == (1, "")
    assert of_test == (None, attempt.answer)
    assert (attempt.answer[:5], len(attempt.answer)) == ("no\ufffd \ufffd", MAX_ANSWER)


async def test_answers_to_events_that_a_worker_of_the_version_before_stores_are_removed(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    receiver.content = b"Ada Byron is not in class 7b"
    await deliver(adsum, webhook)
    await adsum.webhooks.test(webhook.webhook.id, CALLER)
    async with adsum.database.transaction() as connection:
        await connection.execute(update(webhook_deliveries).values(answer="Ada Byron is not in class 7b"))

    await DeliveryPruning(adsum.database, system_clock, keep=timedelta(days=30)).prune_if_due()

    page = await adsum.webhooks.page_of_deliveries(webhook.webhook.id, CALLER, PageRequest())
    kept = [(each.event_id, each.attempt.answer) for each in page.items]
    assert kept == [(None, "Ada Byron is not in class 7b"), (1, "")]


async def test_old_attempts_are_deleted_in_pages(adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret) -> None:
    await happen(adsum, range(3))
    await deliver(adsum, webhook)
    later = system_clock() + timedelta(days=31)
    pruning = DeliveryPruning(adsum.database, lambda: later, keep=timedelta(days=30), page=2)

    assert [await pruning.prune_if_due() for _ in range(3)] == [2, 1, 0]
    assert await log(adsum, webhook) == []


async def test_a_deleted_webhook_is_invisible_at_once_and_its_rows_are_deleted_in_pages(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    webhook_id = webhook.webhook.id
    await happen(adsum, range(3))
    await deliver(adsum, webhook)
    await adsum.webhook_replays.replay_event(webhook_id, 1, CALLER)
    await replay_all(adsum, webhook)
    await adsum.webhooks.delete(webhook_id, CALLER)
    health = await HealthOfEvents(adsum.database, adsum.now).read()
    with pytest.raises(NotFound):
        await adsum.webhooks.page_of_deliveries(webhook_id, CALLER, PageRequest())
    await deliver_deleted(adsum, webhook_id)
    removal = DeletedWebhooks(adsum.database, system_clock, page=2)

    assert [await removal.prune_if_due() for _ in range(4)] == [2, 2, 2, 0]
    assert (await adsum.webhooks.list_webhooks(CALLER), receiver.added) == ([], [0, 1, 2])
    assert (sum(health.webhooks.values()), health.retries, health.replays) == (0, 0, 0)
    async with adsum.database.snapshot() as connection:
        for table in (webhook_table, webhook_deliveries, webhook_retries, webhook_replays):
            assert (await connection.execute(select(table))).all() == []


async def deliver_deleted(adsum: Adsum, webhook_id: int) -> None:
    assert not await adsum.dispatch.dispatch()
    await adsum.deliveries.deliver(webhook_id)
