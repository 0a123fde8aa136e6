"""Delivers events again: one event, or those of a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.rules import Action
from adsum.events.repository import begin_of_period
from adsum.events.rules import OUT_OF_ORDER
from adsum.events.service import SCANNED_AT_ONCE
from adsum.events.webhooks.access import record_action, require_webhook
from adsum.events.webhooks.replays import repository as statements
from adsum.events.webhooks.repository import set_retries
from adsum.events.webhooks.rules import Replayed, Webhook
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, Violation


class WebhookReplays:
    """Every method raises Forbidden without `webhook:manage`, and NotFound for a webhook that the caller does not see.

    Args:
        database: has the webhooks.
        now: the clock.
        scanned_at_once: the number of events that one statement looks at.
    """

    def __init__(self, database: Database, now: Clock, scanned_at_once: int = SCANNED_AT_ONCE) -> None:
        self._database = database
        self._now = now
        self._scanned_at_once = scanned_at_once

    async def replay_event(self, webhook_id: int, event_id: int, caller: Caller) -> Replayed:
        """Delivers one event again; of a disabled webhook, once it is enabled.

        Raises:
            Invalid: the webhook does not receive this event, it is not kept, or it is still to be delivered.
        """
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        now = self._now()
        async with self._database.transaction() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, now, lock=True)
            if not await statements.is_received(connection, webhook, event_id):
                detail = f"there is no event {event_id} that webhook {webhook_id} has passed"
                raise Invalid(detail, [Violation("unknown_event", detail, "/eventId")])
            await set_retries(connection, webhook_id, {event_id: (0, now)})
            after = {"webhook_id": webhook_id, "event_id": event_id}
            await record_action(connection, caller, Action.WEBHOOK_REPLAYED, webhook, after=after)
        return Replayed(1, webhook.disabled)

    async def replay_period(self, webhook_id: int, since: datetime, until: datetime, caller: Caller) -> Replayed:
        """Delivers the events of a period again, the end excluded; of a disabled webhook, once it is enabled.

        New events are not held up: the next part of a replay is delivered when no new event waits. Replays of one
        webhook whose periods overlap are one replay.
        """
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        if until <= since:
            detail = "the end must be after the beginning"
            raise Invalid(detail, [Violation("times_reversed", detail, "/until")])
        now = self._now()
        async with self._database.snapshot() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, now)
        count, ids = await self._find_received(webhook, since, until)
        if not ids:
            return Replayed(0, webhook.disabled)
        async with self._database.transaction() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, now, lock=True)
            await statements.add_replay(connection, webhook_id, since, until, ids[0] - 1, ids[-1])
            after = {"webhook_id": webhook_id, "begin": since.isoformat(), "end": until.isoformat(), "events": count}
            await record_action(connection, caller, Action.WEBHOOK_REPLAYED, webhook, after=after)
        return Replayed(count, webhook.disabled)

    async def _find_received(self, webhook: Webhook, since: datetime, until: datetime) -> tuple[int, Sequence[int]]:
        """The number of the events of a period that the webhook receives and has passed, and some of their ids: the
        first, the last, and those between two steps. Each step reads a bounded part of the log, and locks nothing.
        """
        count, ids, at_once = 0, list[int](), self._scanned_at_once
        async with self._database.autocommit_read() as connection:
            position = await begin_of_period(connection, since, range(webhook.position + 1), at_once)
        while position is not None:
            async with self._database.autocommit_read() as connection:
                found = await statements.find_received(connection, webhook, since, until, position, at_once)
            count, position = count + found.number, found.complete
            ids += [each for each in (found.first, found.last) if each is not None]
            if found.latest is not None and found.latest - OUT_OF_ORDER >= until:
                break
        return count, ids
