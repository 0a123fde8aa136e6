"""The state of the feed and of webhooks, for metrics and the doctor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from adsum.accounts.access import system_caller
from adsum.events.repository import (
    LogEnds,
    count_events,
    oldest_event_after,
    oldest_new_event,
    read_ends,
    read_position,
)
from adsum.events.webhooks.replays.repository import count_replays
from adsum.events.webhooks.repository import count_retries, list_webhooks
from adsum.events.webhooks.rules import DISPATCHER, Disabled, Webhook
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database

MAX_BACKLOG = 100_000
_NONE = timedelta(0)


class WebhookState(StrEnum):
    """Whether a webhook delivers. `FAILING`: it is enabled, and its last attempt failed."""

    DELIVERING = "delivering"
    FAILING = "failing"
    DISABLED_BY_PERSON = "disabled_by_person"
    DISABLED_FAILING = "disabled_failing"
    DISABLED_GONE = "disabled_gone"
    DISABLED_KEY_ENDED = "disabled_key_ended"


_DISABLED = {
    Disabled.BY_PERSON: WebhookState.DISABLED_BY_PERSON,
    Disabled.FAILING: WebhookState.DISABLED_FAILING,
    Disabled.GONE: WebhookState.DISABLED_GONE,
    Disabled.KEY_ENDED: WebhookState.DISABLED_KEY_ENDED,
}


@dataclass(frozen=True, slots=True)
class EventHealth:
    """The backlog of events.

    Attributes:
        unnumbered: committed events that have no id yet, at most `MAX_BACKLOG`.
        unnumbered_for: the age of the oldest of them; 0 without one.
        webhooks: the number of webhooks in each state.
        backlog: events after the position of the enabled webhook that is furthest behind, at most `MAX_BACKLOG`.
        undelivered_for: the age of the oldest event that an enabled webhook has not passed; 0 without one.
        waiting_for: the same, of webhooks whose last attempt did not fail, and of events that the dispatcher has not
            matched with webhooks: workers are late.
        retries: single events that are to be delivered again, at most `MAX_BACKLOG`.
        replays: replays of periods that are under way.
    """

    unnumbered: int = 0
    unnumbered_for: timedelta = _NONE
    webhooks: Mapping[WebhookState, int] = field(default_factory=Counter[WebhookState])
    backlog: int = 0
    undelivered_for: timedelta = _NONE
    waiting_for: timedelta = _NONE
    retries: int = 0
    replays: int = 0


class HealthOfEvents:
    """Reads the state of events. `now` is the clock; each count looks at `counted_at_most` rows."""

    def __init__(self, database: Database, now: Clock, counted_at_most: int = MAX_BACKLOG) -> None:
        self._database = database
        self._now = now
        self._counted_at_most = counted_at_most

    async def read(self) -> EventHealth:
        """The present state. Raises Unavailable if the database does not respond."""
        now, limit = self._now(), self._counted_at_most
        async with self._database.snapshot() as connection:
            ends = await read_ends(connection)
            unnumbered, oldest = await oldest_new_event(connection, limit)
            webhooks = await list_webhooks(connection, system_caller(), now)
            enabled = [each for each in webhooks if each.disabled is None]
            behind = [each for each in enabled if each.position < each.newest_id]
            waiting = [each.position for each in behind if not each.attempts]
            if enabled:
                waiting.append(await read_position(connection, DISPATCHER))
            first = max(min((each.position for each in behind), default=ends.last_id), ends.pruned_id)
            return EventHealth(
                unnumbered=unnumbered,
                unnumbered_for=_age(oldest, now),
                webhooks=Counter(map(webhook_state_of, webhooks)),
                backlog=await count_events(connection, first, limit),
                undelivered_for=await _undelivered_for(connection, ends, [each.position for each in behind], now),
                waiting_for=await _undelivered_for(connection, ends, waiting, now),
                retries=await count_retries(connection, now, limit),
                replays=await count_replays(connection, now),
            )


def webhook_state_of(webhook: Webhook) -> WebhookState:
    """The state of a webhook."""
    if webhook.disabled is not None:
        return _DISABLED[webhook.disabled]
    return WebhookState.FAILING if webhook.attempts else WebhookState.DELIVERING


async def _undelivered_for(connection: Connection, ends: LogEnds, positions: Sequence[int], now: datetime) -> timedelta:
    if not positions:
        return _NONE
    position = max(min(positions), ends.pruned_id)
    return _age(await oldest_event_after(connection, position), now)


def _age(moment: datetime | None, now: datetime) -> timedelta:
    return _NONE if moment is None else max(_NONE, now - moment)
