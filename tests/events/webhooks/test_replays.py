"""Events are delivered again on demand, beside new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import event

from adsum.events.health import HealthOfEvents
from adsum.events.service import EventPruning
from adsum.events.webhooks.delivery import REPLAY_PAGE
from adsum.events.webhooks.rules import Disabled, Replayed, Waiting
from adsum.events.webhooks.service import NewWebhook, WebhookWithSecret
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import EventType
from adsum.wiring import Adsum
from tests.events.webhooks.conftest import (
    CALLER,
    NOW,
    Receiver,
    deliver,
    happen,
    replay_all,
    replays_in_steps,
    until,
    webhooks_in_steps,
)

# The statement that looks through events.
SCAN = "min(CASE"
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@contextmanager
def statements_of(adsum: Adsum) -> Generator[list[str]]:
    """The statements that are executed meanwhile."""
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        statements.append(statement)

    event.listen(adsum.database.engine.sync_engine, "before_cursor_execute", note)
    yield statements
    event.remove(adsum.database.engine.sync_engine, "before_cursor_execute", note)


async def test_events_are_delivered_again_on_demand(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0, 1])
    await happen(adsum, [2], NOW + timedelta(hours=1))
    await deliver(adsum, webhook)
    webhook_id = webhook.webhook.id

    one = await adsum.webhook_replays.replay_event(webhook_id, 2, CALLER)
    await deliver(adsum, webhook)
    period = await adsum.webhook_replays.replay_period(webhook_id, NOW, NOW + timedelta(hours=1), CALLER)
    again = await adsum.webhook_replays.replay_period(webhook_id, NOW, NOW + timedelta(hours=1), CALLER)
    await deliver(adsum, webhook)
    await deliver(adsum, webhook)

    assert [one, period, again] == [Replayed(number, disabled=None) for number in (1, 2, 2)]
    assert receiver.added == [0, 1, 2, 1, 0, 1]


async def test_a_replay_says_that_a_disabled_webhook_receives_nothing_until_it_is_enabled(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await happen(adsum, [0, 1])
    await deliver(adsum, webhook)
    webhook_id = webhook.webhook.id
    await adsum.webhooks.change(webhook_id, CALLER, enabled=False)

    one = await adsum.webhook_replays.replay_event(webhook_id, 2, CALLER)
    period = await adsum.webhook_replays.replay_period(webhook_id, NOW, NOW + timedelta(hours=1), CALLER)
    none = await adsum.webhook_replays.replay_period(webhook_id, NOW - timedelta(hours=1), NOW, CALLER)
    await deliver(adsum, webhook)
    while_disabled = list(receiver.added)
    await adsum.webhooks.change(webhook_id, CALLER, enabled=True)
    await deliver(adsum, webhook)

    assert [one, period, none] == [Replayed(number, Disabled.BY_PERSON) for number in (1, 2, 0)]
    assert (while_disabled, receiver.added) == ([0, 1], [0, 1, 1, 0, 1])


async def test_events_from_before_the_creation_of_a_webhook_are_delivered_on_demand_alone(
    adsum: Adsum, receiver: Receiver
) -> None:
    await happen(adsum, [0, 1])
    webhook = await adsum.webhooks.create(NewWebhook(receiver.url), CALLER)
    await deliver(adsum, webhook)
    unasked = list(receiver.added)

    one = await adsum.webhook_replays.replay_event(webhook.webhook.id, 2, CALLER)
    await deliver(adsum, webhook)
    period = await replay_all(adsum, webhook)
    await deliver(adsum, webhook)

    assert (unasked, one.events, period) == ([], 1, 2)
    assert receiver.added == [1, 0, 1]


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

    assert (await adsum.webhook_replays.replay_period(webhook.webhook.id, *period, CALLER)).events == 2
    await deliver(adsum, webhook)
    assert receiver.added == [0, 1, 2, 3, 1, 2]


async def test_the_events_of_a_period_are_looked_for_in_steps_before_the_webhook_is_locked(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    for number in range(7):
        await happen(adsum, [number], NOW + timedelta(minutes=number))
    await deliver(adsum, webhook)
    replays, period = replays_in_steps(adsum, 2), (NOW + timedelta(minutes=1), NOW + timedelta(minutes=6))

    with statements_of(adsum) as statements:
        count = await replays.replay_period(webhook.webhook.id, *period, CALLER)
    await deliver(adsum, webhook)

    tables = [name for each in statements for name in (SCAN, "webhook_replays") if name in each]
    assert tables == [*[SCAN] * 5, "webhook_replays", "webhook_replays"]
    assert (count.events, receiver.added[7:]) == (5, [1, 2, 3, 4, 5])


async def test_the_search_for_a_period_begins_at_its_events_and_ends_after_them(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    days = [NOW + timedelta(days=day) for day in range(40)]
    for number, day in enumerate(days):
        await happen(adsum, [number], day)
    await happen(adsum, [100], days[39] - timedelta(hours=20))
    await adsum.event_numbering.skip_ids(days[39])
    await happen(adsum, [101], days[39])
    await deliver(adsum, webhook)
    receiver.received.clear()
    replays, at_once = replays_in_steps(adsum, 3), timedelta(seconds=1)

    with statements_of(adsum) as statements:
        middle = await replays.replay_period(webhook.webhook.id, days[20], days[21] + at_once, CALLER)
    await deliver(adsum, webhook)
    newest = await replays.replay_period(webhook.webhook.id, days[39] - timedelta(hours=20), days[39], CALLER)
    await deliver(adsum, webhook)
    always = await replays.replay_period(webhook.webhook.id, FIRST, LAST, CALLER)

    assert [each.events for each in (middle, newest, always)] == [2, 1, 42]
    assert receiver.added == [20, 21, 100]
    assert len([each for each in statements if SCAN in each]) <= 3


async def test_replays_of_periods_that_overlap_are_one_replay(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    minutes = [NOW + timedelta(minutes=minute) for minute in range(9)]
    for number, moment in enumerate(minutes):
        await happen(adsum, [number], moment)
    await deliver(adsum, webhook)
    receiver.received.clear()

    async def replay(begin: int, end: int) -> int:
        period = minutes[begin], minutes[end]
        return (await adsum.webhook_replays.replay_period(webhook.webhook.id, *period, CALLER)).events

    counts = [await replay(0, 2), await replay(6, 8)]
    counts += [await replay(begin, 5) for begin in range(1, 5)]
    counts += [await replay(1, 5) for _ in range(3)]
    waiting = await adsum.webhooks.count_waiting(webhook.webhook.id, CALLER)
    health = await HealthOfEvents(adsum.database, adsum.now).read()
    await deliver(adsum, webhook)

    assert counts == [2, 2, 4, 3, 2, 1, 4, 4, 4]
    assert (health.replays, waiting) == (2, Waiting(7, has_more=False))
    assert receiver.added == [6, 7, 0, 1, 2, 3, 4]


async def three_pages_whose_replay_fails_after_one(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    """Delivers an event for each minute. Then the receiver refuses the first event of the second page."""
    for number in range(3 * REPLAY_PAGE):
        await happen(adsum, [number], NOW + timedelta(minutes=number))
    await deliver(adsum, webhook)
    receiver.received.clear()
    receiver.answer_of = lambda number: 500 if number == REPLAY_PAGE else 204


async def test_a_replay_takes_up_another_one_where_it_has_come_to(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await three_pages_whose_replay_fails_after_one(adsum, receiver, webhook)
    first, last = NOW + timedelta(minutes=REPLAY_PAGE + 5), NOW + timedelta(minutes=3 * REPLAY_PAGE)
    await adsum.webhook_replays.replay_period(webhook.webhook.id, NOW, last, CALLER)
    await deliver(adsum, webhook)
    await adsum.webhook_replays.replay_period(webhook.webhook.id, first, last, CALLER)
    await deliver(adsum, webhook, system_clock() + timedelta(minutes=1))

    assert receiver.added == [*range(REPLAY_PAGE + 1), *range(REPLAY_PAGE, 3 * REPLAY_PAGE)]


async def test_a_replay_of_events_that_another_one_has_passed_does_not_begin_that_one_again(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    await three_pages_whose_replay_fails_after_one(adsum, receiver, webhook)
    await replay_all(adsum, webhook)
    await deliver(adsum, webhook)
    await adsum.webhook_replays.replay_period(webhook.webhook.id, NOW, NOW + timedelta(minutes=2), CALLER)
    await deliver(adsum, webhook, system_clock() + timedelta(minutes=1))

    assert receiver.added == [*range(REPLAY_PAGE + 1), *range(REPLAY_PAGE, 3 * REPLAY_PAGE), 0, 1]


async def test_waiting_events_are_counted_as_far_as_statements_look(
    adsum: Adsum, receiver: Receiver, webhook: WebhookWithSecret
) -> None:
    webhook_id = webhook.webhook.id
    few = webhooks_in_steps(adsum, 3)
    nothing = await few.count_waiting(webhook_id, CALLER)
    await happen(adsum, range(2))
    new = await few.count_waiting(webhook_id, CALLER)
    await happen(adsum, range(2, 4))
    more = await few.count_waiting(webhook_id, CALLER)
    await deliver(adsum, webhook)
    await adsum.webhook_replays.replay_event(webhook_id, 1, CALLER)
    single = await few.count_waiting(webhook_id, CALLER)
    await replay_all(adsum, webhook)
    replayed = await few.count_waiting(webhook_id, CALLER)

    assert (nothing, new, more) == (Waiting(0, has_more=False), Waiting(2, has_more=False), Waiting(3, has_more=True))
    assert (single, replayed) == (Waiting(1, has_more=False), Waiting(4, has_more=True))
    assert await adsum.webhooks.count_waiting(webhook_id, CALLER) == Waiting(5, has_more=False)


async def test_events_that_the_dispatcher_has_not_matched_with_a_webhook_do_not_wait_for_it(
    adsum: Adsum, webhook: WebhookWithSecret
) -> None:
    webhook_id, few = webhook.webhook.id, webhooks_in_steps(adsum, 3)
    await adsum.webhooks.change(webhook_id, CALLER, event_types=[EventType.REGISTER_MISSING])
    await happen(adsum, range(5))
    await adsum.dispatch.dispatch()

    assert await few.count_waiting(webhook_id, CALLER) == Waiting(0, has_more=False)
