"""A worker delivers for a while, and what happens to its webhook meanwhile is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from itertools import count

import pytest
from sqlalchemy import select

from adsum.events.webhooks.delivery import TIME_LIMIT_S, Deliveries
from adsum.events.webhooks.guard import Guard
from adsum.events.webhooks.pace import Pace
from adsum.events.webhooks.rules import Attempt
from adsum.events.webhooks.sending import Sender
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhook_deliveries
from adsum.platform.keys import KeyPurpose
from adsum.platform.secret_box import SecretBox
from adsum.servers import key_ring
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import CALLER, LOOPBACK, Receiver, deliver, happen, until

NEVER_S = 3600.0


@asynccontextmanager
async def deliveries_with(
    adsum: Adsum, elapsed: Callable[[], float], pace: Pace | None = None
) -> AsyncGenerator[Deliveries]:
    """Deliveries whose turns last as long as `elapsed` says, in seconds."""
    sender, box = (
        Sender(Guard([ip_network(LOOPBACK)]), adsum.now),
        SecretBox(key_ring(adsum.settings), KeyPurpose.WEBHOOKS),
    )
    yield Deliveries(adsum.database, sender, box, pace or Pace(), adsum.now, list[Attempt]().append, elapsed=elapsed)
    await sender.close()


async def test_a_turn_that_is_over_ends_between_two_events(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, range(3))

    async with deliveries_with(adsum, lambda: TIME_LIMIT_S + len(receiver.received)) as deliveries:
        await deliveries.deliver(webhook.webhook.id)
        in_time = list(receiver.added)
    async with deliveries_with(adsum, lambda: (TIME_LIMIT_S + 1) * len(receiver.received)) as deliveries:
        await happen(adsum, [3, 4])
        await deliveries.deliver(webhook.webhook.id)
        over = list(receiver.added)
    await deliver(adsum, webhook)

    assert (in_time, over, receiver.added) == ([0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4])


async def test_without_time_nothing_is_sent(adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret) -> None:
    await happen(adsum, [0])
    times = count(0.0, TIME_LIMIT_S + 1)

    async with deliveries_with(adsum, lambda: next(times)) as deliveries:
        await deliveries.deliver(webhook.webhook.id)

    assert receiver.added == []


@pytest.mark.parametrize("again", [False, True], ids=["new events", "retries"])
async def test_in_any_order_the_events_that_wait_for_attendance_stay_for_the_next_turn(
    adsum: Adsum, receiver: Receiver, again: bool
) -> None:
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url, in_order=False), CALLER)
    await happen(adsum, range(3))
    if again:
        await deliver(adsum, webhook)
        receiver.received.clear()
        for event_id in (1, 2, 3):
            await adsum.webhook_replays.replay_event(webhook.webhook.id, event_id, CALLER)
    pace = Pace(NEVER_S)

    async with deliveries_with(adsum, lambda: (TIME_LIMIT_S + 1) * len(receiver.received), pace) as deliveries:
        with pace.processing():
            delivering = asyncio.create_task(deliveries.deliver(webhook.webhook.id))
            await until(lambda: len(receiver.received) == 1)
        await delivering
    in_time = list(receiver.added)
    waiting = await adsum.webhooks.count_waiting(webhook.webhook.id, CALLER)
    await deliver(adsum, webhook)

    assert (in_time, waiting.count, sorted(receiver.added)) == ([0], 2, [0, 1, 2])


async def test_two_workers_that_deliver_at_once_lose_nothing_and_never_go_back(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, range(3))
    receiver.held[0] = asyncio.Event()
    slow = asyncio.create_task(deliver(adsum, webhook))
    await until(lambda: len(receiver.received) == 1)
    await happen(adsum, [3])

    quick = await deliver(adsum, webhook)
    receiver.held[0].set()

    assert (quick.position, (await slow).position) == (4, 4)
    assert receiver.added == [0, 0, 1, 2, 3, 1, 2]
    assert (await deliver(adsum, webhook)).attempts == 0


async def test_the_answer_of_an_old_url_does_not_disable_a_changed_webhook(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    receiver.answer_of, receiver.held[0] = lambda _: 410, asyncio.Event()
    delivering = asyncio.create_task(deliver(adsum, webhook))
    await until(lambda: len(receiver.received) == 1)
    await adsum.webhooks.change(webhook.webhook.id, CALLER, url=receiver.url + "2")
    receiver.held[0].set()

    after = await delivering

    assert (after.disabled, after.attempts, after.position) == (None, 0, 0)


async def test_a_webhook_that_is_deleted_meanwhile_is_left_alone(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    receiver.held[0] = asyncio.Event()
    delivering = asyncio.create_task(adsum.deliveries.deliver(webhook.webhook.id))
    await until(lambda: len(receiver.received) == 1)
    await adsum.webhooks.delete(webhook.webhook.id, CALLER)
    receiver.held[0].set()

    await delivering

    await adsum.deliveries.deliver(webhook.webhook.id)
    assert receiver.added == [0]
    async with adsum.database.snapshot() as connection:
        assert (await connection.execute(select(webhook_deliveries))).all() == []
