"""Deliveries: signed, in order, at least once, repeated after failures, and stopped where nobody listens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from adsum.events.rules import EventFilters
from adsum.events.webhooks.delivery import PAGE
from adsum.events.webhooks.rules import Disabled
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhooks as webhook_table
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import EventType
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import CALLER, Receiver, deliver, happen, log, state


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
    assert (after.attempts, after.next_attempt_at) == (1, None)


async def test_a_disabled_webhook_has_no_next_attempt(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    receiver.answer_of = lambda _: 500
    failed = await deliver(adsum, webhook)

    disabled = await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=False)

    assert failed.next_attempt_at is not None
    assert disabled.next_attempt_at is None


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
    delivered = await adsum.webhooks.count_waiting(webhook.webhook.id, CALLER)

    assert receiver.added == [1, 1]
    assert (waiting.count, delivered.count) == (1, 0)


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
    assert sorted(receiver.added) == [0, 0, 1, 2]  # two at once arrive in either order


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


async def test_after_a_rotation_both_secrets_sign_until_the_overlap_ends(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    rotated = await adsum.webhooks.rotate(webhook.webhook.id, timedelta(minutes=1), CALLER)
    await happen(adsum, [0])
    await deliver(adsum, webhook)
    await happen(adsum, [1])
    await deliver(adsum, webhook, system_clock() + timedelta(minutes=2))

    both, new = receiver.received
    assert rotated.secret != webhook.secret
    assert (both.is_signed_with(webhook.secret), both.is_signed_with(rotated.secret)) == (True, True)
    assert (new.is_signed_with(webhook.secret), new.is_signed_with(rotated.secret)) == (False, True)


async def test_a_test_arrives_also_while_the_webhook_is_disabled(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await adsum.webhooks.change(webhook.webhook.id, CALLER, enabled=False)

    attempt = await adsum.webhooks.test(webhook.webhook.id, CALLER)

    assert (attempt.has_arrived, attempt.status) == (True, 204)
    assert receiver.received[0].content["type"] == "webhook.test"
    assert receiver.received[0].is_signed_with(webhook.secret)
    assert await log(adsum, webhook) == [(None, 204, None)]
