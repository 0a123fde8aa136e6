"""Delivers the events of one webhook, one page after the other, and stores the result of each."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adsum.accounts.access import system_caller
from adsum.events.repository import end_of_scan, read_ends
from adsum.events.rules import Event, EventFilters
from adsum.events.schemas import event_item
from adsum.events.service import SCANNED_AT_ONCE, find_events, find_single_events
from adsum.events.webhooks import repository as statements
from adsum.events.webhooks.pace import Pace
from adsum.events.webhooks.replays.repository import Replay, advance_replay, next_replay
from adsum.events.webhooks.repository import SealedSecrets
from adsum.events.webhooks.rules import MAX_ATTEMPTS, RETRY_FOR, Attempt, Disabled, Webhook, pause_after
from adsum.events.webhooks.sending import Sender
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.secret_box import SecretBox
from adsum.platform.telemetry import LogIcon, logger
from adsum.platform.tracing.spans import UNTRACED, TracedStep, continued

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing

# Events that are read, sent and stored together.
PAGE = 50
# Events of a replay that are sent together: so many hold up an event that happens meanwhile.
REPLAY_PAGE = 10
# Requests at once to an endpoint that takes events in any order.
AT_ONCE = 16
# After this time a webhook makes room for others; its message comes again.
TIME_LIMIT_S = 10.0
POSTPONED_FOR = timedelta(minutes=1)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Events to send to a webhook: new ones, retries, or those of a replay.

    Attributes:
        webhook: the receiver.
        secrets: sign the events.
        events: to send, by id.
        complete: nothing up to this id is missing from new events, or from those of a replay.
        retries: of retries, the failed attempts by event.
        replay: the replay that the events belong to.
    """

    webhook: Webhook
    secrets: Sequence[str]
    events: Sequence[Event]
    complete: int = 0
    retries: Mapping[int, int] = field(default_factory=dict[int, int])
    replay: Replay | None = None


class Deliveries:
    """Delivers events. Two workers that deliver for one webhook at once send events twice, and lose none.

    Args:
        database: has the events and the webhooks.
        sender: sends the requests.
        box: decrypts the secrets.
        pace: decides when the next delivery may begin.
        now: the clock.
        count: counts each attempt to deliver an event.
        tracing: continues the traces of events; None: nothing is exported.
        elapsed: seconds of a monotonic clock, which limits a turn.
    """

    def __init__(
        self,
        database: Database,
        sender: Sender,
        box: SecretBox,
        pace: Pace,
        now: Clock,
        count: Callable[[Attempt], None],
        tracing: Tracing | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._sender = sender
        self._box = box
        self._pace = pace
        self._now = now
        self._count = count
        self._tracing = tracing
        self._elapsed = elapsed

    async def deliver(self, webhook_id: int) -> None:
        """Delivers what the webhook has to receive, until nothing is left, an attempt fails, or `TIME_LIMIT_S` is
        over. New events go first, then retries, then replays.
        """
        end = self._elapsed() + TIME_LIMIT_S
        while self._elapsed() < end:
            page = await self._next_page(webhook_id)
            if page is None or not await self._deliver_page(page, end):
                return

    async def postpone(self, webhook_id: int) -> None:
        """Lets a webhook pause whose events cannot be sent because of an error of Adsum, such as a missing key."""
        async with self._database.transaction() as connection:
            await statements.change_webhook(connection, webhook_id, {"next_attempt_at": self._now() + POSTPONED_FOR})

    async def test(self, webhook: Webhook, secrets: SealedSecrets) -> Attempt:
        """Sends an event of the type `webhook.test`, which is no event of the feed."""
        now = self._now()
        content = {
            "id": 0,
            "type": "webhook.test",
            "version": 1,
            "schoolId": webhook.school_id,
            "occurredAt": now.isoformat().replace("+00:00", "Z"),
            "data": {"webhookId": webhook.id},
        }
        message_id = f"test_{webhook.id}_{time.time_ns()}"
        body = json.dumps(content, separators=(",", ":"))
        attempt = await self._sender.send(webhook.url, message_id, body, self._open(webhook.id, secrets, now))
        async with self._database.transaction() as connection:
            await statements.log_deliveries(connection, webhook.id, [(None, "webhook.test", 1, attempt)])
        return attempt

    async def _next_page(self, webhook_id: int) -> DeliveryPage | None:
        """The next events of a webhook; None: there is nothing to send now."""
        now = self._now()
        async with self._database.snapshot() as connection:
            webhook = await statements.find_webhook(connection, webhook_id, system_caller(), now)
            if webhook is None or webhook.disabled or (webhook.next_attempt_at or now) > now:
                return None
            secrets = self._open(webhook_id, await statements.secrets_of(connection, webhook_id), now)
            events, complete = await _events_after(connection, webhook.position, _filters(webhook), PAGE)
            if complete > webhook.position:
                return DeliveryPage(webhook, secrets, events, complete)
            retries = await statements.due_retries(connection, webhook_id, now, PAGE)
            if retries:
                events = await find_single_events(connection, system_caller(), _filters(webhook), retries)
                return DeliveryPage(webhook, secrets, events, retries=retries)
            replay = await next_replay(connection, webhook_id)
            if replay is None:
                return None
            filters = replace(_filters(webhook), since=replay.since, until=replay.until)
            found = await _events_after(connection, replay.position, filters, REPLAY_PAGE, replay.last_id)
            return DeliveryPage(webhook, secrets, *found, replay=replay)

    def _open(self, webhook_id: int, sealed: SealedSecrets, now: datetime) -> list[str]:
        owner = owner_of_secret(webhook_id)
        secrets = [self._box.open(sealed.current, owner, is_stored=True).text]
        if sealed.earlier is not None and sealed.earlier_ends_at is not None and sealed.earlier_ends_at > now:
            secrets.append(self._box.open(sealed.earlier, owner, is_stored=True).text)
        return secrets

    async def _deliver_page(self, page: DeliveryPage, end: float) -> bool:
        """Sends a page and stores the result. Returns whether the next page may follow at once."""
        send = self._send_in_order if page.webhook.in_order else self._send_in_any_order
        attempts = await send(page, end)
        async with self._database.transaction() as connection:
            webhook = await statements.find_webhook(
                connection, page.webhook.id, system_caller(), self._now(), lock=True
            )
            if webhook is None:
                return False
            if attempts:
                sent = [(event.id, event.type, _number(page, event), attempt) for event, attempt in attempts]
                await statements.log_deliveries(connection, webhook.id, sent)
            return await self._store(connection, webhook, page, attempts)

    async def _send_in_order(self, page: DeliveryPage, end: float) -> list[tuple[Event, Attempt]]:
        """Sends events until one fails, or the time is over: a slow receiver must not hold up the end of the worker."""
        attempts: list[tuple[Event, Attempt]] = []
        for event in page.events:
            await self._pace.turn()
            attempts.append((event, await self._send(page, event)))
            if not attempts[-1][1].has_arrived or self._elapsed() > end:
                break
        return attempts

    async def _send_in_any_order(self, page: DeliveryPage, end: float) -> list[tuple[Event, Attempt]]:
        """Sends the events at once whose requests begin in time, and always the first one, so that each turn gets on.
        The others stay for the next turn.
        """
        places = asyncio.Semaphore(AT_ONCE)

        async def send(event: Event) -> tuple[Event, Attempt] | None:
            async with places:
                await self._pace.turn()
                if event is not page.events[0] and self._elapsed() > end:
                    return None
                return event, await self._send(page, event)

        return [each for each in await asyncio.gather(*map(send, page.events)) if each is not None]

    async def _send(self, page: DeliveryPage, event: Event) -> Attempt:
        body = event_item(event).model_dump_json(by_alias=True)
        with self._traced(page.webhook, event) as spans:
            attempt = await self._sender.send(
                page.webhook.url, f"evt_{event.id}", body, page.secrets, trace=spans.headers
            )
            if spans:
                _describe(spans, attempt)
        self._count(attempt)
        # The answer to an event may name students, and would outlive their erasure.
        return replace(attempt, answer="")

    def _traced(self, webhook: Webhook, event: Event) -> TracedStep:
        """The step of an attempt, in the trace of the request that the event is about. The URL may hold a secret."""
        if self._tracing is None or event.trace is None:
            return UNTRACED
        ids: dict[str, str | int] = {"adsum.webhook_id": webhook.id, "adsum.event_id": event.id}
        attributes = ids | {"adsum.event_type": event.type, "http.request.method": "POST"}
        return continued(self._tracing, event.trace, "POST webhook", attributes, kind="client")

    async def _store(
        self, connection: Connection, webhook: Webhook, page: DeliveryPage, attempts: Sequence[tuple[Event, Attempt]]
    ) -> bool:
        """Moves the position past what has arrived, and notes what has to be sent again."""
        now = self._now()
        failed = [(event, attempt) for event, attempt in attempts if not attempt.has_arrived]
        arrived = [event.id for event, attempt in attempts if attempt.has_arrived]
        if page.retries:
            missing = page.retries.keys() - {event.id for event in page.events}  # pruned meanwhile
            await statements.delete_retries(connection, webhook.id, [*arrived, *missing])
        position = webhook.position if page.retries or page.replay else _position_after(page, attempts)
        if page.replay is not None:
            await advance_replay(connection, page.replay, _position_after(page, attempts))
        if failed and not page.webhook.in_order:
            again = {event.id: page.retries.get(event.id, 0) + 1 for event, _ in failed}
            kept = {event_id: _again(number, now) for event_id, number in again.items() if number < MAX_ATTEMPTS}
            await statements.set_retries(connection, webhook.id, kept)
            await statements.delete_retries(connection, webhook.id, again.keys() - kept.keys())
        changed = {"position": max(position, webhook.position)}
        if webhook.url != page.webhook.url or webhook.disabled:  # changed meanwhile: these attempts are not about it
            await statements.change_webhook(connection, webhook.id, changed)
            return False
        await statements.change_webhook(
            connection, webhook.id, changed | _failure_columns(webhook, page, attempts, now)
        )
        reason = _reason_to_disable(webhook, [attempt for _, attempt in failed], has_arrived=bool(arrived), now=now)
        if reason is not None:
            await disable(connection, webhook, reason, now)
        return not failed


def _number(page: DeliveryPage, event: Event) -> int:
    """Which attempt for an event this is. In order, the webhook counts those that failed for the first of a page."""
    if page.webhook.in_order:
        return page.webhook.attempts + 1 if event is page.events[0] else 1
    return page.retries.get(event.id, 0) + 1


def _describe(spans: TracedStep, attempt: Attempt) -> None:
    if attempt.status is not None:
        spans.note({"http.response.status_code": attempt.status})
    if not attempt.has_arrived:
        spans.fail(attempt.error or str(attempt.status))


async def _events_after(
    connection: Connection, position: int, filters: EventFilters, limit: int, last_id: int | None = None
) -> tuple[Sequence[Event], int]:
    """At most `limit` events after a position, up to `last_id` or the newest one, and the id up to which they are
    complete.
    """
    ends = await read_ends(connection)
    begin = max(position, ends.pruned_id)
    if begin >= ends.last_id:
        return [], begin
    end = await end_of_scan(connection, ends, begin, SCANNED_AT_ONCE)
    ids = range(begin + 1, (end if last_id is None else min(end, last_id)) + 1)
    return await find_events(connection, system_caller(), filters, ids, limit)


def _position_after(page: DeliveryPage, attempts: Sequence[tuple[Event, Attempt]]) -> int:
    """The id up to which all events of a page are done: sent, and in order also arrived."""
    done = {event.id for event, attempt in attempts if attempt.has_arrived or not page.webhook.in_order}
    left = next((event.id for event in page.events if event.id not in done), None)
    return page.complete if left is None else left - 1


def _filters(webhook: Webhook) -> EventFilters:
    return EventFilters(frozenset(webhook.event_types), webhook.school_id)


def _again(attempts: int, now: datetime) -> tuple[int, datetime]:
    return attempts, now + pause_after(attempts, random.random())  # noqa: S311 - spreads attempts


def _failure_columns(
    webhook: Webhook, page: DeliveryPage, attempts: Sequence[tuple[Event, Attempt]], now: datetime
) -> dict[str, object]:
    """The columns that count failures. Without attempts they stay. A webhook in any order pauses only if nothing of a
    page arrives, and not because of single events that come again.
    """
    arrived = [attempt.has_arrived for _, attempt in attempts]
    if not attempts or (page.retries and not webhook.in_order and not any(arrived)):
        return {}
    if all(arrived) or (any(arrived) and not webhook.in_order):
        return {"attempts": 0, "failing_since": None, "next_attempt_at": None}
    attempts_before = 0 if any(arrived) else webhook.attempts
    since = None if any(arrived) else webhook.failing_since
    return {
        "attempts": attempts_before + 1,
        "failing_since": since or now,
        "next_attempt_at": _again(attempts_before + 1, now)[1],
    }


def _reason_to_disable(
    webhook: Webhook, failed: Sequence[Attempt], *, has_arrived: bool, now: datetime
) -> Disabled | None:
    if any(attempt.is_gone for attempt in failed):
        return Disabled.GONE
    since = webhook.failing_since
    if failed and not has_arrived and since is not None and now - since >= RETRY_FOR:
        return Disabled.FAILING
    return None


async def disable(connection: Connection, webhook: Webhook, reason: Disabled, now: datetime) -> None:
    """Disables a webhook, logs that, and tells other systems with the event `webhook.disabled`.

    The pages of admins, `adsum doctor` and the metrics read the column `disabled`.
    """
    await statements.change_webhook(connection, webhook.id, {"disabled": reason.value, "disabled_at": now})
    data = {"webhookId": webhook.id, "reason": reason.value}
    await write_events(connection, [NewEvent(EventType.WEBHOOK_DISABLED, webhook.school_id, data)], now)
    log.warning("webhook disabled", mark=LogIcon.ERROR, webhook_id=webhook.id, code=reason.value)


def owner_of_secret(webhook_id: int) -> str:
    """The owner for whom the secret is encrypted."""
    return f"webhook {webhook_id}"
