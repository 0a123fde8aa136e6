"""A class that is marked reaches a receiver through the queue of webhooks, by real workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from sqlalchemy import update

from adsum.accounts.access import system_caller
from adsum.batches.queue.worker import WorkerOptions
from adsum.events.webhooks import queue
from adsum.events.webhooks.queue import Dispatch, WebhookQueue, new_webhook_worker, queue_of_webhooks
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhooks
from adsum.platform.clock import system_clock
from adsum.wiring import Adsum
from tests.attendance.corrections.conftest import Register, register
from tests.events.webhooks.conftest import Receiver, happen
from tests.support import waiting
from tests.support.installation import DEADLINE_S

__all__ = ["register"]


@asynccontextmanager
async def delivering(adsum: Adsum) -> AsyncGenerator[None]:
    """Dispatches and delivers until the block ends."""
    settings, stop = adsum.settings, asyncio.Event()
    assert settings.redis_url is not None
    options = WorkerOptions(settings.redis_url, queue_of_webhooks(settings.queue_name), settings.key_prefix, 10)
    worker = new_webhook_worker(options, adsum.deliveries)
    adsum.sweeper.is_leading = True
    running = asyncio.gather(worker.run(stop), adsum.dispatch.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await waiting.until(holds)


async def test_a_class_that_is_marked_reaches_the_receiver(register: Register, receiver: Receiver) -> None:
    adsum = register.adsum
    school_id = register.api.school.school_id
    await adsum.webhooks.create(NewWebhook(receiver.url, school_id=school_id), system_caller())
    await adsum.webhooks.create(NewWebhook(receiver.url, school_id=school_id), system_caller())

    async with delivering(adsum):
        await register.mark(learningDate="2024-12-24")
        await until(lambda: len(receiver.received) == 6)

    assert sorted(each.content["type"] for each in receiver.received) == [
        *("batch.accepted", "batch.accepted", "batch.completed", "batch.completed", "register.taken", "register.taken")
    ]


async def test_a_slow_receiver_delays_no_other(adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret) -> None:
    quick = Receiver()
    quick.release.set()
    server = await asyncio.start_server(quick.serve, "127.0.0.1", 0)
    quick.port = server.sockets[0].getsockname()[1]
    receiver.release.clear()
    await adsum.webhooks.create(NewWebhook(quick.url), system_caller())

    async with delivering(adsum):
        await happen(adsum, [0])
        await until(lambda: len(receiver.received) == 1)
        await happen(adsum, [1])
        await until(lambda: quick.added == [0, 1])
        receiver.release.set()
        await until(lambda: receiver.added == [0, 1])
    server.close()


async def test_messages_that_redis_has_lost_are_added_again(
    adsum: Adsum, redis: Redis, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0])
    await adsum.dispatch.dispatch()
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType]

    async with delivering(adsum):
        await until(lambda: receiver.added == [0])


async def test_a_webhook_that_pauses_has_no_message(adsum: Adsum, redis: Redis, webhook: WebhookWithSecret) -> None:
    await happen(adsum, [0])
    async with adsum.database.transaction() as connection:
        later = system_clock() + timedelta(hours=1)
        await connection.execute(update(webhooks).values(next_attempt_at=later))

    assert await adsum.dispatch.dispatch()
    messages = await redis.llen(f"bull:{queue_of_webhooks('attendance')}:wait")  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
    assert messages == 0


async def test_without_an_enabled_webhook_there_is_nothing_to_do(adsum: Adsum, webhook: WebhookWithSecret) -> None:
    await adsum.webhooks.change(webhook.webhook.id, system_caller(), enabled=False)
    await happen(adsum, [0])

    assert not await adsum.dispatch.dispatch()


async def test_a_webhook_whose_secret_cannot_be_read_pauses_and_others_receive(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    broken = await adsum.webhooks.create(NewWebhook(receiver.url), system_caller())
    async with adsum.database.transaction() as connection:
        await connection.execute(
            update(webhooks).where(webhooks.c.id == broken.webhook.id).values(secret="v1.unreadable")
        )

    async with delivering(adsum):
        await happen(adsum, [0])
        await until(lambda: receiver.added == [0])

        async def pauses() -> bool:
            return (await adsum.webhooks.get(broken.webhook.id, system_caller())).next_attempt_at is not None

        await waiting.until(pauses)
    assert (await adsum.webhooks.get(broken.webhook.id, system_caller())).position == 0


async def test_a_look_that_fails_ends_neither_the_loop_nor_the_worker(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    dispatch = adsum.dispatch.dispatch

    async def fail_first() -> bool:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ZeroDivisionError
        return await dispatch()

    monkeypatch.setattr(queue, "ERROR_PAUSE_S", 0.01)
    monkeypatch.setattr(adsum.dispatch, "dispatch", fail_first)

    async with delivering(adsum):
        await happen(adsum, [0])
        await until(lambda: receiver.added == [0])


async def test_a_process_that_does_not_lead_dispatches_nothing(
    adsum: Adsum, redis: Redis, webhook: WebhookWithSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "IDLE_PAUSE_S", 0.01)
    looks = 0

    def is_leading() -> bool:
        nonlocal looks
        looks += 1
        return False

    await happen(adsum, [0])
    stop = asyncio.Event()
    unused = WebhookQueue(redis, queue_name="unused", key_prefix="")
    follower = Dispatch(adsum.database, adsum.event_numbering, unused, is_leading, system_clock)
    running = asyncio.create_task(follower.run(stop))
    await until(lambda: looks > 2)
    stop.set()
    await running
    assert not await redis.exists("bull:unused:wait")
