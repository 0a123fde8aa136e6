"""Webhooks: create, change, rotate and delete them, and read their deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from adsum.accounts.access import Caller, Permission, require_confirmed, require_permission
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_named_school, violations_of_school
from adsum.events.repository import lock_ends, read_position
from adsum.events.service import SCANNED_AT_ONCE, EventNumbering
from adsum.events.webhooks import repository as statements
from adsum.events.webhooks.access import details_of, record_action, require_webhook
from adsum.events.webhooks.delivery import Deliveries, owner_of_secret
from adsum.events.webhooks.guard import Guard
from adsum.events.webhooks.rules import (
    DISPATCHER,
    Attempt,
    Delivery,
    Disabled,
    Waiting,
    Webhook,
    new_secret,
    parse_endpoint,
    validate_types,
)
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.new_events import EventType
from adsum.platform.errors import Forbidden, Invalid, Violation, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, every_item, page_of
from adsum.platform.secret_box import SecretBox

LOOK_UP_S = 5.0
MAX_OVERLAP = timedelta(days=7)
# Events that are looked at to count those that wait: the page does so every few seconds.
COUNTED_AT_MOST = 1_000


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """The content of a webhook that is to be created. `event_types` empty: all types; `school_id` None: all schools."""

    url: str
    event_types: tuple[EventType, ...] = ()
    school_id: int | None = None
    in_order: bool = True


@dataclass(frozen=True, slots=True)
class WebhookWithSecret:
    """A webhook and its new secret, which is shown only now."""

    webhook: Webhook
    secret: str


class Webhooks:
    """Every method raises Forbidden without `webhook:manage`, and NotFound for a webhook that the caller does not see.

    Args:
        database: has the webhooks.
        numbering: numbers what happened before a webhook was created.
        deliveries: sends tests.
        guard: decides which hosts are reachable.
        box: encrypts secrets.
        now: the clock.
        scanned_at_once: the number of events that one statement looks at.
    """

    def __init__(
        self,
        database: Database,
        numbering: EventNumbering,
        deliveries: Deliveries,
        guard: Guard,
        box: SecretBox,
        now: Clock,
        scanned_at_once: int = SCANNED_AT_ONCE,
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._deliveries = deliveries
        self._guard = guard
        self._box = box
        self._now = now
        self._scanned_at_once = scanned_at_once

    async def create(self, new: NewWebhook, caller: Caller) -> WebhookWithSecret:
        """Creates a webhook, which receives what happens from now on.

        Raises:
            Forbidden: also for all schools, if the caller does not belong to all schools.
            Invalid: with all violations.
        """
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        require_confirmed(caller)
        refuse(
            [
                *await self.violations_of_url(new.url, caller),
                *validate_types(new.event_types),
                *await self._violations_of_school(new.school_id, caller),
            ]
        )
        _require_right_to_schools(new, caller)
        await self._numbering.number()
        secret, now = new_secret(), self._now()
        async with self._database.transaction() as connection:
            last_id = (await lock_ends(connection)).last_id
            values = _first_values(new, last_id, now) | _author(caller)
            webhook_id = await statements.add_webhook(connection, values)
            sealed = self._box.seal(secret, owner_of_secret(webhook_id))
            await statements.change_webhook(connection, webhook_id, {"secret": sealed})
            webhook = await require_webhook(connection, webhook_id, caller, now)
            await record_action(connection, caller, Action.WEBHOOK_CREATED, webhook, after=details_of(webhook))
        return WebhookWithSecret(webhook, secret)

    async def page(self, caller: Caller, page: PageRequest, school_id: int | None = None) -> RowPage[Webhook]:
        """One page of the visible webhooks, by id; with `school_id` those of this school, without those of all schools.

        Raises:
            NotFound: the caller does not see this school.
            Invalid: the cursor is wrong.
        """
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        query = ("webhooks", school_id)
        after = begin_of(page, query, by_number) or 0
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, school_id)
            rows = await statements.list_webhooks(
                connection, caller, self._now(), school_id, after=after, limit=page.limit + 1
            )
        return page_of(rows, page, query, lambda row: (row.id,))

    async def list_webhooks(self, caller: Caller, school_id: int | None = None) -> list[Webhook]:
        """The webhooks of all pages."""
        return await every_item(lambda page: self.page(caller, page, school_id))

    async def last_deliveries(self, caller: Caller) -> Mapping[int, Delivery]:
        """The newest attempt of each visible webhook, by the id of the webhook."""
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        async with self._database.snapshot() as connection:
            return await statements.last_deliveries(connection, caller)

    async def stopped(self, caller: Caller) -> list[Webhook]:
        """The visible webhooks that have stopped without anybody having disabled them, by id."""
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        async with self._database.snapshot() as connection:
            return await statements.list_stopped(connection, caller, self._now())

    async def count_waiting(self, webhook_id: int, caller: Caller) -> Waiting:
        """The number of events that a webhook has still to receive."""
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        async with self._database.snapshot() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, self._now())
            after = webhook.position
            if webhook.disabled is None and webhook.newest_id <= webhook.position:  # it receives none of those matched
                after = max(after, await read_position(connection, DISPATCHER))
            limit = min(COUNTED_AT_MOST, self._scanned_at_once)
            return await statements.count_waiting(connection, webhook, after, limit)

    async def get(self, webhook_id: int, caller: Caller) -> Webhook:
        """One webhook."""
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        async with self._database.snapshot() as connection:
            return await require_webhook(connection, webhook_id, caller, self._now())

    async def change(
        self,
        webhook_id: int,
        caller: Caller,
        *,
        url: str | None = None,
        event_types: Sequence[EventType] | None = None,
        in_order: bool | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Changes what is not None. A webhook that is enabled again receives what it has missed. One that is enabled
        makes its next attempts now. With another URL, or enabled after the end of its API key, it ends with the API key
        of the caller from then on; if a person is the caller, with none. The same URL again changes nothing.

        Raises:
            Invalid: with all violations; also if everything is None.
        """
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        require_confirmed(caller)
        if all(each is None for each in (url, event_types, in_order, enabled)):
            detail = "nothing to change: give an endpoint, types, the order or the state"
            raise Invalid(detail, [Violation("empty_change", detail)])
        wrong_url: Sequence[Violation] = () if url is None else await self.violations_of_url(url, caller)
        refuse([*wrong_url, *validate_types(event_types or ())])
        values: dict[str, Any] = {} if event_types is None else {"event_types": sorted(event_types)}
        values |= {} if in_order is None else {"in_order": in_order}
        now = self._now()
        async with self._database.transaction() as connection:
            before = await require_webhook(connection, webhook_id, caller, now, lock=True)
            values |= {} if url in (None, before.url) else {"url": url, "ends_with_key_id": caller.key_id}
            if enabled is not None:
                values |= _enabling(before, caller, now, enabled=enabled)
            if enabled:
                await statements.hasten_retries(connection, webhook_id, now)
            values |= await _ends(connection, before, values)
            if values:
                await statements.change_webhook(connection, webhook_id, values)
            after = await require_webhook(connection, webhook_id, caller, now)
            if replace(after, newest_id=before.newest_id) != before:
                await record_action(
                    connection,
                    caller,
                    Action.WEBHOOK_CHANGED,
                    after,
                    before=details_of(before),
                    after=details_of(after),
                )
        return after

    async def rotate(self, webhook_id: int, overlap: timedelta, caller: Caller) -> WebhookWithSecret:
        """Gives a webhook a new secret. The present one signs, too, until `overlap` is over.

        Raises:
            Invalid: the overlap is longer than a week.
        """
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        require_confirmed(caller)
        if overlap > MAX_OVERLAP:
            detail = f"an overlap is at most {MAX_OVERLAP.days} days"
            raise Invalid(detail, [Violation("out_of_range", detail, "/overlapSeconds")])
        secret, now = new_secret(), self._now()
        earlier_ends_at = now + overlap if overlap else None
        async with self._database.transaction() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, now, lock=True)
            present = await statements.secrets_of(connection, webhook_id)
            values = {
                "secret": self._box.seal(secret, owner_of_secret(webhook_id)),
                "earlier_secret": present.current if overlap else None,
                "earlier_ends_at": earlier_ends_at,
            }
            await statements.change_webhook(connection, webhook_id, values)
            await record_action(
                *(connection, caller, Action.WEBHOOK_ROTATED, webhook), after={"webhook_id": webhook_id}
            )
        return WebhookWithSecret(replace(webhook, earlier_ends_at=earlier_ends_at), secret)

    async def delete(self, webhook_id: int, caller: Caller) -> None:
        """Deletes a webhook. Nothing is delivered any more; workers delete the log of its deliveries."""
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        async with self._database.transaction() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, self._now(), lock=True)
            await statements.delete_webhook(connection, webhook_id, self._now())
            await record_action(connection, caller, Action.WEBHOOK_DELETED, webhook, before=details_of(webhook))

    async def test(self, webhook_id: int, caller: Caller) -> Attempt:
        """Sends a test to the endpoint, also while the webhook is disabled, and returns the result. A test that is not
        recorded in the audit log is not sent.
        """
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        async with self._database.transaction() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, self._now())
            secrets = await statements.secrets_of(connection, webhook_id)
            after = {"webhook_id": webhook_id, "host": webhook.host}
            await record_action(connection, caller, Action.WEBHOOK_TESTED, webhook, after=after)
        return await self._deliveries.test(webhook, secrets)

    async def page_of_deliveries(
        self, webhook_id: int, caller: Caller, page: PageRequest, *, failed_only: bool = False
    ) -> RowPage[Delivery]:
        """Attempts, the newest first. Raises Invalid for a cursor of another query."""
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        query = ("deliveries", webhook_id, failed_only)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            webhook = await require_webhook(connection, webhook_id, caller, self._now())
            rows = await statements.list_deliveries(
                connection, webhook, before, page.limit + 1, failed_only=failed_only
            )
        return page_of(rows, page, query, lambda row: (row.id,))

    async def violations_of_url(self, url: str, caller: Caller) -> Sequence[Violation]:
        """Why a URL would be refused. Webhooks reach public addresses with TLS, and allowed networks."""
        require_permission(caller, Permission.WEBHOOK_MANAGE)
        endpoint = parse_endpoint(url)
        if endpoint is None:
            detail = "a URL looks like https://school.example/hooks, with no user name, fragment, spaces or line ends"
            return [_wrong_url("wrong_url", detail)]
        host, port, is_secure = endpoint
        try:
            async with asyncio.timeout(LOOK_UP_S):
                addresses = await self._guard.addresses_of(host, port)
        except (OSError, TimeoutError):
            return [_wrong_url("unknown_host", f"the host {host} has no address")]
        if not all(map(self._guard.is_allowed, addresses)):
            detail = f"the host {host} is not public, and its network is not one of ADSUM_WEBHOOK_ALLOWED_NETWORKS"
            return [_wrong_url("address_refused", detail)]
        if not is_secure and not all(map(self._guard.is_inside, addresses)):
            return [_wrong_url("https_required", "a public host needs https")]
        return []

    async def _violations_of_school(self, school_id: int | None, caller: Caller) -> Sequence[Violation]:
        async with self._database.snapshot() as connection:
            return await violations_of_school(connection, caller, school_id)


def _wrong_url(code: str, detail: str) -> Violation:
    return Violation(code, detail, "/url")


def _require_right_to_schools(new: NewWebhook, caller: Caller) -> None:
    if new.school_id is None and caller.schools is not None:
        detail = "only an admin of all schools may create a webhook for all schools: give schoolId"
        raise Forbidden(detail, [Violation("school_missing", detail, "/schoolId")])


def _first_values(new: NewWebhook, last_id: int, now: datetime) -> dict[str, Any]:
    """The row of a new webhook, which receives events after `last_id`. The secret is sealed to its id, and follows."""
    return {
        "url": new.url,
        "event_types": sorted(new.event_types),
        "school_id": new.school_id,
        "in_order": new.in_order,
        "secret": "",
        "created_at": now,
        "newest_id": last_id,
        "position": last_id,
    }


async def _ends(connection: Connection, webhook: Webhook, changed: Mapping[str, Any]) -> dict[str, int]:
    """The ends of a webhook in the feed, where other types, or being enabled or disabled, move them."""
    if not {"event_types", "disabled"} & changed.keys():
        return {}
    # Locked: the dispatcher matches later events with the new values.
    ends = {"newest_id": (await lock_ends(connection)).last_id}
    if "event_types" in changed and webhook.newest_id <= webhook.position:
        # It has received all events of its types that are matched. Those of the new types are not sent.
        ends["position"] = max(webhook.position, await read_position(connection, DISPATCHER))
    return ends


def _author(caller: Caller) -> dict[str, Any]:
    return {
        "created_role": caller.role.value,
        "created_user_id": caller.user_id,
        "created_key_id": caller.key_id,
        "ends_with_key_id": caller.key_id,
    }


def _enabling(webhook: Webhook, caller: Caller, now: datetime, *, enabled: bool) -> Mapping[str, Any]:
    if not enabled:
        stays = webhook.disabled not in (None, Disabled.KEY_ENDED)
        return {} if stays else {"disabled": Disabled.BY_PERSON.value, "disabled_at": now}
    health = {"attempts": 0, "failing_since": None, "next_attempt_at": None}
    has_ended_key = webhook.key_ends_at is not None and webhook.key_ends_at <= now
    key = {"ends_with_key_id": caller.key_id} if has_ended_key else {}
    return health | key | {"disabled": None, "disabled_at": None}
