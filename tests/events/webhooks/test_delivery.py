"""Deliveries: signed, in order, at least once, repeated after failures, and stopped where nobody listens."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from adsum.accounts.access import system_caller
from adsum.events.health import HealthOfEvents
from adsum.events.rules import EventFilters
from adsum.events.service import EventPruning
from adsum.events.webhooks import delivery
from adsum.events.webhooks.delivery import PAGE, REPLAY_PAGE, Deliveries
from adsum.events.webhooks.rules import MAX_ANSWER, Disabled, Webhook
from adsum.events.webhooks.service import DeletedWebhooks, DeliveryPruning, NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhook_deliveries, webhook_replays, webhook_retries
from adsum.events.webhooks.tables import webhooks as webhook_table
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import EventType
from adsum.platform.errors import NotFound
from adsum.platform.paging import PageRequest
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import NOW, Receiver, happen, until

CALLER = system_caller()


async def state(adsum: Adsum, webhook: WebhookWithSecret) -> Webhook:
    return await adsum.webhooks.get(webhook.webhook.id, CALLER)


async def deliver(adsum: Adsum, webhook: WebhookWithSecret, now: datetime | None = None) -> Webhook:
    """Delivers as a worker does, at a time."""
    deliveries = adsum.deliveries if now is None else at(adsum, now)
    await deliveries.deliver(webhook.webhook.id)
    return await state(adsum, webhook)


def at(adsum: Adsum, now: datetime) -> Deliveries:
    own: Any = adsum.deliveries
    return Deliveries(adsum.database, own._sender, own._box, own._pace, lambda: now, own._count)


async def log(
    adsum: Adsum, webhook: WebhookWithSecret, **filters: Any
) -> list[tuple[int | None, int | None, str | None]]:
    page = await adsum.webhooks.page_of_deliveries(webhook.webhook.id, CALLER, PageRequest(limit=200), **filters)
    return [(each.event_id, each.attempt.status, each.attempt.error) for each in page.items]


async def test_an_event_arrives_signed_as_the_feed_shows_it(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [7])

    await deliver(adsum, webhook)

    (request,) = receiver.received
    assert request.headers["content-type"] == "application/json"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["webhook-id"] == "evt_1"
    assert abs(int(request.headers["webhook-timestamp"]) - system_clock().timestamp()) < 60
    assert request.is_signed_with(webhook.secret)
    assert not request.is_signed_with("whsec_" + "AAAA" * 10)
    assert request.content == {
        "id": 1,
        "type": "roster.imported",
        "version": 1,
        "schoolId": None,
        "occurredAt": "2024-12-25T08:00:00Z",
        "data": {"added": 7, "changed": 0, "ended": 0, "unchanged": 0, "failed": 0},
    }


async def test_events_arrive_in_their_order_once_and_page_after_page(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    count = PAGE + 3
    await happen(adsum, range(count))

    after = await deliver(adsum, webhook)
    await deliver(adsum, webhook)

    assert receiver.added == list(range(count))
    assert (after.position, after.attempts, after.next_attempt_at) == (count, 0, None)
    assert len(await log(adsum, webhook)) == count


async def test_a_failed_delivery_holds_up_those_after_it_until_it_arrives(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0, 1, 2])
    receiver.answer_of = lambda number: 500 if number == 1 else 204

    failed = await deliver(adsum, webhook)
    await deliver(adsum, webhook)  # the pause is not over
    paused = list(receiver.added)
    assert failed.next_attempt_at is not None
    recovered = await deliver(adsum, webhook, failed.next_attempt_at)

    assert (failed.position, failed.attempts) == (1, 1)
    assert timedelta(seconds=3) < failed.next_attempt_at - system_clock() < timedelta(seconds=7)
    assert paused == [0, 1]
    assert receiver.added == [0, 1, 1, 2]
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 3
    assert (recovered.position, recovered.attempts, recovered.failing_since) == (3, 0, None)
    assert await log(adsum, webhook, failed_only=True) == [(2, 500, None)]


async def test_pauses_grow_and_after_three_days_the_webhook_is_disabled(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    receiver.answer_of = lambda _: 503
    now, pauses, current = system_clock(), list[timedelta](), await state(adsum, webhook)
    while current.disabled is None:
        current = await deliver(adsum, webhook, now)
        if current.disabled is None:
            assert current.next_attempt_at is not None
            pauses.append(current.next_attempt_at - now)
            now = current.next_attempt_at

    *_, last = (await adsum.event_feed.page(CALLER, EventFilters(), None, 10)).items
    assert 15 < len(pauses) < 25
    assert pauses[0] < timedelta(seconds=7)
    assert pauses[-1] > timedelta(hours=4)
    assert current.disabled is Disabled.FAILING
    assert (last.type, last.data) == (
        EventType.WEBHOOK_DISABLED,
        {"webhookId": webhook.webhook.id, "reason": "failing"},
    )
    requests = len(receiver.received)
    await deliver(adsum, webhook, now + timedelta(days=1))
    assert len(receiver.received) == requests


async def test_the_answer_410_disables_at_once(adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret) -> None:
    await happen(adsum, [0, 1])
    receiver.answer_of = lambda _: 410

    after = await deliver(adsum, webhook)

    assert (after.disabled, receiver.added) == (Disabled.GONE, [0])


async def test_a_webhook_that_is_enabled_again_receives_what_it_has_missed(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=False)
    await happen(adsum, [0, 1])
    await deliver(adsum, webhook)
    while_disabled = list(receiver.added)

    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=True)
    await deliver(adsum, webhook)

    assert (while_disabled, receiver.added) == ([], [0, 1])


async def test_in_any_order_a_failed_delivery_holds_up_no_other(adsum: Adsum, receiver: Receiver) -> None:
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url, in_order=False), CALLER)
    await happen(adsum, [0, 1, 2])
    failing = {"1"}
    receiver.answer_of = lambda number: 500 if str(receiver.added[number]) in failing else 204

    first = await deliver(adsum, webhook)
    failing.clear()
    await deliver(adsum, webhook, system_clock() + timedelta(seconds=10))
    await deliver(adsum, webhook, system_clock() + timedelta(days=1))

    assert (first.position, first.attempts, first.next_attempt_at) == (3, 0, None)
    assert sorted(receiver.added) == [0, 1, 1, 2]
    assert receiver.added[-1] == 1


async def test_only_the_chosen_types_and_the_school_are_delivered(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await adsum.webhooks.change(webhook.webhook.id, CALLER, event_types=[EventType.REGISTER_TAKEN])
    await happen(adsum, [0, 1])

    after = await deliver(adsum, webhook)

    assert (receiver.received, after.position) == ([], 2)


@pytest.mark.parametrize(("status", "error"), [(302, None), (0, "connection_broken")])
async def test_redirects_are_not_followed_and_broken_answers_are_failures(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret, status: int, error: str | None
) -> None:
    await happen(adsum, [0])
    receiver.answer_of = lambda _: status

    after = await deliver(adsum, webhook)

    assert after.attempts == 1
    assert await log(adsum, webhook) == [(1, status or None, error)]


async def test_a_receiver_that_is_away_is_a_failure(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    async with adsum.database.transaction() as connection:
        await connection.execute(update(webhook_table).values(url="http://127.0.0.1:1/"))

    await deliver(adsum, webhook)

    assert await log(adsum, webhook) == [(1, None, "connection_failed")]


async def test_the_beginning_of_an_answer_is_kept(adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret) -> None:
    await happen(adsum, [0])
    receiver.answer_of, receiver.content = lambda _: 400, b"no\x00 \xff" + b"x" * 100_000

    await deliver(adsum, webhook)

    page = await adsum.webhooks.page_of_deliveries(webhook.webhook.id, CALLER, PageRequest())
    answer = page.items[0].attempt.answer
    assert (answer[:5], len(answer)) == ("no\ufffd \ufffd", MAX_ANSWER)


async def test_after_a_rotation_both_secrets_sign_until_the_overlap_ends(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    rotated = await adsum.webhooks.rotate(webhook.webhook.id, timedelta(hours=1), CALLER)
    await happen(adsum, [0])
    await deliver(adsum, webhook)
    await happen(adsum, [1])
    await deliver(adsum, webhook, system_clock() + timedelta(hours=2))

    both, new = receiver.received
    assert rotated.secret != webhook.secret
    assert (both.is_signed_with(webhook.secret), both.is_signed_with(rotated.secret)) == (True, True)
    assert (new.is_signed_with(webhook.secret), new.is_signed_with(rotated.secret)) == (False, True)


async def test_events_are_delivered_again_on_demand(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0, 1])
    await happen(adsum, [2], NOW + timedelta(hours=1))
    await deliver(adsum, webhook)
    webhook_id = webhook.webhook.id

    one = await adsum.webhooks.replay_event(webhook_id, 2, CALLER)
    await deliver(adsum, webhook)
    period = await adsum.webhooks.replay_period(webhook_id, NOW, NOW + timedelta(hours=1), CALLER)
    again = await adsum.webhooks.replay_period(webhook_id, NOW, NOW + timedelta(hours=1), CALLER)
    await deliver(adsum, webhook)
    await deliver(adsum, webhook)

    assert (one, period, again) == (1, 2, 2)
    assert receiver.added == [0, 1, 2, 1, 0, 1]


async def replay_all(adsum: Adsum, webhook: WebhookWithSecret) -> int:
    return await adsum.webhooks.replay_period(webhook.webhook.id, NOW, NOW + timedelta(hours=1), CALLER)


async def test_events_that_happen_are_delivered_before_a_replay_and_between_its_pages(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, range(3 * REPLAY_PAGE))
    await deliver(adsum, webhook)
    before = len(receiver.received)
    await replay_all(adsum, webhook)
    await happen(adsum, [100], NOW + timedelta(hours=2))
    receiver.release.clear()
    delivering = asyncio.create_task(deliver(adsum, webhook))
    await until(lambda: len(receiver.received) == before + 1)
    receiver.answer_of = lambda number: hold(receiver) if number == before + 2 else 204
    receiver.release.set()
    await until(lambda: len(receiver.received) == before + 4)
    await happen(adsum, [101], NOW + timedelta(hours=2))
    receiver.release.set()
    await delivering

    assert receiver.added[before:] == [100, *range(REPLAY_PAGE), 101, *range(REPLAY_PAGE, 3 * REPLAY_PAGE)]


def hold(receiver: Receiver) -> int:
    """Holds the answers of the following requests."""
    receiver.release.clear()
    return 204


async def test_a_replay_goes_on_after_a_failure_where_it_stopped(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, range(4))
    await deliver(adsum, webhook)
    receiver.answer_of = lambda number: 500 if number == 5 else 204
    count = await replay_all(adsum, webhook)
    failed = await deliver(adsum, webhook)
    await deliver(adsum, webhook, system_clock() + timedelta(minutes=1))

    assert (count, failed.attempts) == (4, 1)
    assert receiver.added == [0, 1, 2, 3, 0, 1, 1, 2, 3]


async def test_in_any_order_the_failed_events_of_a_replay_come_again_alone(adsum: Adsum, receiver: Receiver) -> None:
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url, in_order=False), CALLER)
    await happen(adsum, range(3))
    await deliver(adsum, webhook)
    failing = {1}
    receiver.answer_of = lambda number: 500 if receiver.added[number] in failing else 204
    await replay_all(adsum, webhook)
    await deliver(adsum, webhook)
    failing.clear()
    await deliver(adsum, webhook, system_clock() + timedelta(minutes=1))

    assert sorted(receiver.added[3:6]) == [0, 1, 2]
    assert receiver.added[6:] == [1]


async def test_a_replay_stores_one_row_and_ends_when_its_events_are_pruned(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, range(3))
    await deliver(adsum, webhook)
    await replay_all(adsum, webhook)
    begun = await HealthOfEvents(adsum.database, adsum.now).read()
    await EventPruning(adsum.database, lambda: NOW + timedelta(days=1), keep=timedelta(hours=1)).prune_if_due()
    await deliver(adsum, webhook)
    ended = await HealthOfEvents(adsum.database, adsum.now).read()

    assert (begun.retries, begun.replays, ended.replays) == (0, 1, 0)
    assert receiver.added == [0, 1, 2]
    assert await replay_all(adsum, webhook) == 0


async def test_a_replay_has_the_period_and_the_types_that_were_chosen(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    for number in range(4):
        await happen(adsum, [number], NOW + timedelta(minutes=number))
    await deliver(adsum, webhook)
    period = NOW + timedelta(minutes=1), NOW + timedelta(minutes=3)

    assert await adsum.webhooks.replay_period(webhook.webhook.id, *period, CALLER) == 2
    await deliver(adsum, webhook)
    assert receiver.added == [0, 1, 2, 3, 1, 2]


async def test_a_deleted_webhook_is_invisible_at_once_and_its_rows_are_deleted_in_pages(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    webhook_id = webhook.webhook.id
    await happen(adsum, range(3))
    await deliver(adsum, webhook)
    await adsum.webhooks.replay_event(webhook_id, 1, CALLER)
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


async def test_a_test_arrives_also_while_the_webhook_is_disabled(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=False)

    attempt = await adsum.webhooks.test(webhook.webhook.id, CALLER)

    assert (attempt.has_arrived, attempt.status) == (True, 204)
    assert receiver.received[0].content["type"] == "webhook.test"
    assert receiver.received[0].is_signed_with(webhook.secret)
    assert await log(adsum, webhook) == [(None, 204, None)]


async def test_two_workers_that_deliver_at_once_lose_nothing_and_never_go_back(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, range(10))
    stale = replace(webhook.webhook)
    await deliver(adsum, webhook)
    own: Any = adsum.deliveries
    page = await own._next_page(stale.id)
    assert page is None

    await happen(adsum, [10])
    page = await own._next_page(stale.id)
    await deliver(adsum, webhook)
    await own._deliver_page(replace(page, complete=3), float("inf"))

    assert (await state(adsum, webhook)).position == 11


async def test_a_turn_that_is_over_ends_between_two_events(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, range(3))
    own: Any = adsum.deliveries

    page = await own._next_page(webhook.webhook.id)
    assert await own._deliver_page(page, 0)

    assert (receiver.added, (await state(adsum, webhook)).position) == ([0], 1)
    await deliver(adsum, webhook)
    assert receiver.added == [0, 1, 2]


async def test_in_any_order_an_event_that_never_arrives_lets_the_webhook_go_on(
    adsum: Adsum, receiver: Receiver
) -> None:
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url, in_order=False), CALLER)
    receiver.answer_of = lambda number: 500 if receiver.added[number] == 0 else 204
    await happen(adsum, [0, 1])
    await deliver(adsum, webhook)

    alone = await deliver(adsum, webhook, system_clock() + timedelta(seconds=10))
    await happen(adsum, [2])
    after = await deliver(adsum, webhook)

    assert (alone.attempts, alone.next_attempt_at, after.position) == (0, None, 3)
    assert receiver.added == [0, 1, 0, 2]


async def test_the_answer_of_an_old_url_does_not_disable_a_changed_webhook(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    receiver.answer_of = lambda _: 410
    own: Any = adsum.deliveries
    page = await own._next_page(webhook.webhook.id)
    await adsum.webhooks.change(webhook.webhook.id, CALLER, url=receiver.url + "2")

    assert not await own._deliver_page(page, float("inf"))

    after = await state(adsum, webhook)
    assert (after.disabled, after.attempts, after.position) == (None, 0, 0)


async def test_a_webhook_that_is_deleted_meanwhile_is_left_alone(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    own: Any = adsum.deliveries
    page = await own._next_page(webhook.webhook.id)
    await adsum.webhooks.delete(webhook.webhook.id, CALLER)

    assert not await own._deliver_page(page, float("inf"))
    await adsum.deliveries.deliver(webhook.webhook.id)
    assert receiver.added == [0]


async def test_without_time_nothing_is_sent(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TIME_LIMIT_S", 0.0)
    await happen(adsum, [0])

    await deliver(adsum, webhook)

    assert receiver.added == []


async def test_old_attempts_are_deleted_in_pages(adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret) -> None:
    await happen(adsum, range(3))
    await deliver(adsum, webhook)
    later = system_clock() + timedelta(days=31)
    pruning = DeliveryPruning(adsum.database, lambda: later, keep=timedelta(days=30), page=2)

    assert [await pruning.prune_if_due() for _ in range(3)] == [2, 1, 0]
    assert await log(adsum, webhook) == []


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
    await adsum.webhooks.replay_event(webhook.webhook.id, 1, CALLER)
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


@pytest.mark.parametrize("in_order", [True, False])
async def test_enabling_a_webhook_makes_its_next_attempt_now(
    adsum: Adsum, receiver: Receiver, *, in_order: bool
) -> None:
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url, in_order=in_order), CALLER)
    receiver.answer_of = lambda number: 204 if number else 500
    await happen(adsum, [1])
    await deliver(adsum, webhook)
    await deliver(adsum, webhook)
    waiting = await adsum.webhooks.count_waiting(webhook.webhook.id, CALLER)
    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=True)
    await deliver(adsum, webhook)

    assert receiver.added == [1, 1]
    assert (waiting, await adsum.webhooks.count_waiting(webhook.webhook.id, CALLER)) == (1, 0)
