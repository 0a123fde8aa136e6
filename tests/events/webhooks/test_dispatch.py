"""A class that is marked reaches a receiver through the queue of webhooks, by real workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import update

from adsum.accounts.access import system_caller
from adsum.events.webhooks import queue
from adsum.events.webhooks.pace import Pace
from adsum.events.webhooks.queue import Dispatch, WebhookQueue, new_webhook_worker, queue_of_webhooks
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.events.webhooks.tables import webhooks
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.redis.shards import Shard
from adsum.platform.redis.workers import WorkerOptions
from adsum.wiring import Adsum
from tests.attendance.corrections.conftest import Register, register
from tests.events.webhooks.conftest import Receiver, happen, happen_without_ids, until
from tests.support import waiting
from tests.support.installation import DEADLINE_S
from tests.support.schools import make_school
from tests.support.statements import queries_logged, statements_sent

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


async def announce_taken(adsum: Adsum) -> None:
    """Announces the registers that are taken by now."""
    await adsum.event_numbering.number()
    await adsum.taken_registers.announce()


async def test_a_class_that_is_marked_reaches_the_receiver(register: Register, receiver: Receiver) -> None:
    adsum = register.adsum
    school_id = register.api.school.school_id
    await announce_taken(adsum)
    await adsum.webhooks.create(NewWebhook(receiver.url, school_id=school_id), system_caller())
    await adsum.webhooks.create(NewWebhook(receiver.url, school_id=school_id), system_caller())

    async with delivering(adsum):
        await register.mark(learningDate="2024-12-24")
        await until(lambda: len(receiver.received) == 4)
        await adsum.taken_registers.announce()
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


async def waiting_webhooks(redis: Redis) -> list[int]:
    """The ids of webhooks that have a message, after all messages are taken."""
    wait = f"bull:{queue_of_webhooks('attendance')}:wait"
    ids: Any = await redis.lrange(wait, 0, -1)  # pyright: ignore[reportGeneralTypeIssues]
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType]
    return sorted(int(each.removeprefix("webhook-")) for each in ids)


async def test_an_event_wakes_the_webhooks_that_receive_it_alone(
    register: Register, redis: Redis, receiver: Receiver
) -> None:
    adsum, caller = register.adsum, system_caller()
    async with adsum.database.transaction() as connection:
        other = (await make_school(connection)).school_id
    await announce_taken(adsum)
    every, taken, imported, of_other = [
        (await adsum.webhooks.create(new, caller)).webhook.id
        for new in (
            NewWebhook(receiver.url),
            NewWebhook(receiver.url, (EventType.REGISTER_TAKEN,), register.api.school.school_id),
            NewWebhook(receiver.url, (EventType.ROSTER_IMPORTED, EventType.REGISTER_MISSING)),
            NewWebhook(receiver.url, school_id=other),
        )
    ]
    await happen(adsum, [0])
    await adsum.dispatch.dispatch()
    after_import = await waiting_webhooks(redis)
    for webhook_id in after_import:
        await adsum.deliveries.deliver(webhook_id)
    await register.mark(learningDate="2024-12-24")
    await announce_taken(adsum)
    await adsum.dispatch.dispatch()
    after_marks = await waiting_webhooks(redis)
    for webhook_id in after_marks:
        await adsum.deliveries.deliver(webhook_id)
    await adsum.dispatch.dispatch()

    assert (after_import, after_marks, await waiting_webhooks(redis)) == ([every, imported], [every, taken], [])
    assert (await adsum.webhooks.get(of_other, caller)).position == 3  # not even read


async def test_a_webhook_without_a_match_for_long_begins_at_the_event_that_matches(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    webhook_id, caller = webhook.webhook.id, system_caller()
    await adsum.webhooks.change(webhook_id, caller, event_types=[EventType.REGISTER_MISSING])
    await adsum.dispatch.dispatch()
    await adsum.deliveries.deliver(webhook_id)
    for number in range(3):
        await happen(adsum, [number])
        await adsum.dispatch.dispatch()
    unmatched = await adsum.webhooks.get(webhook_id, caller)
    async with adsum.database.transaction() as connection:
        await write_events(connection, [NewEvent(EventType.REGISTER_MISSING, None, {})], system_clock())
    await adsum.dispatch.dispatch()
    matched = await adsum.webhooks.get(webhook_id, caller)

    assert (unmatched.position, unmatched.newest_id) == (0, 0)
    assert (matched.position, matched.newest_id) == (3, 4)


async def test_a_webhook_is_woken_when_its_types_change_and_when_it_is_enabled(
    adsum: Adsum, redis: Redis, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    webhook_id, caller = webhook.webhook.id, system_caller()
    await adsum.webhooks.create(NewWebhook(receiver.url, (EventType.REGISTER_MISSING,)), caller)
    await adsum.webhooks.change(webhook_id, caller, event_types=[EventType.REGISTER_MISSING])
    await happen(adsum, [0])
    await adsum.dispatch.dispatch()
    before = await waiting_webhooks(redis)
    changed_to_all = await adsum.webhooks.change(webhook_id, caller, event_types=[])
    await adsum.dispatch.dispatch()
    passed = await waiting_webhooks(redis)
    await happen(adsum, [2])
    await adsum.dispatch.dispatch()
    changed = await waiting_webhooks(redis)
    await adsum.webhooks.change(webhook_id, caller, enabled=False)
    await happen(adsum, [1])
    await adsum.dispatch.dispatch()
    disabled = await waiting_webhooks(redis)
    await adsum.webhooks.change(webhook_id, caller, enabled=True)
    await adsum.dispatch.dispatch()

    assert (changed_to_all.position, passed) == (1, []), "it received no event of the new types from before"
    assert (before, changed, disabled) == ([], [webhook_id], [])
    assert await waiting_webhooks(redis) == [webhook_id]


async def test_events_are_matched_in_pages_and_each_once(
    adsum: Adsum, redis: Redis, webhook: WebhookWithSecret
) -> None:
    queue = WebhookQueue(Shard(0, redis, ""), queue_name=queue_of_webhooks("attendance"))
    dispatch = Dispatch(
        adsum.database, adsum.event_numbering, queue, Pace(), lambda: True, system_clock, matched_at_once=2
    )
    await happen(adsum, range(5))

    await asyncio.gather(dispatch.dispatch(), dispatch.dispatch())

    found = await adsum.webhooks.get(webhook.webhook.id, system_caller())
    assert (found.position, found.newest_id) == (0, 5)


async def test_beside_attendance_a_pass_numbers_some_events(
    adsum: Adsum, webhook: WebhookWithSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "NUMBERED_BESIDE_ATTENDANCE", 2)
    await happen_without_ids(adsum, range(5))

    async def newest() -> int:
        await adsum.dispatch.dispatch()
        return (await adsum.webhooks.get(webhook.webhook.id, system_caller())).newest_id

    with adsum.delivery_pace.processing():
        beside = [await newest(), await newest()]
    await adsum.delivery_pace.turn()
    assert (beside, await newest()) == ([2, 4], 5)


async def test_without_an_enabled_webhook_there_is_nothing_to_do(adsum: Adsum, webhook: WebhookWithSecret) -> None:
    await adsum.webhooks.change(webhook.webhook.id, system_caller(), enabled=False)
    await happen(adsum, [0])

    assert not await adsum.dispatch.dispatch()


async def test_a_pass_with_nothing_to_do_asks_the_database_once(adsum: Adsum, webhook: WebhookWithSecret) -> None:
    with statements_sent(adsum.database) as sent:
        assert await adsum.dispatch.dispatch()
        await queries_logged()
    assert sum(" webhooks" in statement for statement, _ in sent) == len(sent) == 1


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
    unused = WebhookQueue(Shard(0, redis, ""), queue_name="unused")
    follower = Dispatch(adsum.database, adsum.event_numbering, unused, Pace(), is_leading, system_clock)
    running = asyncio.create_task(follower.run(stop))
    await until(lambda: looks > 2)
    stop.set()
    await running
    assert not await redis.exists("bull:unused:wait")
