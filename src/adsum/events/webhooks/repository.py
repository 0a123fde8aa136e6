"""Statements on webhooks, their deliveries and their retries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.events.tables import events
from adsum.events.webhooks.rules import Attempt, Delivery, Disabled, Retry, Webhook, next_attempt_after
from adsum.events.webhooks.tables import webhook_deliveries, webhook_retries, webhooks
from adsum.platform.database.filters import equal

_COLUMNS = tuple(webhooks.c[each.name] for each in fields(Webhook))
_DELIVERY = tuple(
    webhook_deliveries.c[name]
    for name in ("id", "webhook_id", "event_id", "event_type", "number", *(each.name for each in fields(Attempt)))
)


class SealedSecrets(NamedTuple):
    """The encrypted secrets of a webhook; `earlier` signs, too, until `earlier_ends_at`."""

    current: str
    earlier: str | None
    earlier_ends_at: datetime | None


async def add_webhook(connection: AsyncConnection, values: Mapping[str, Any]) -> int:
    """Stores a webhook. Returns its id."""
    webhook_id = await connection.scalar(insert(webhooks).values(dict(values)).returning(webhooks.c.id))
    assert webhook_id is not None, "it was inserted"
    return webhook_id


async def find_webhook(
    connection: AsyncConnection, webhook_id: int, caller: Caller, *, lock: bool = False
) -> Webhook | None:
    """A webhook that the caller sees: those of all schools are for callers of all schools."""
    query = _select(in_visible_school(caller, webhooks.c.school_id), webhooks.c.id == webhook_id)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _webhook(*row)


async def list_webhooks(
    connection: AsyncConnection, caller: Caller, disabled: Collection[Disabled] = ()
) -> list[Webhook]:
    """The webhooks that the caller sees, by id; with `disabled` those that are disabled for one of these reasons."""
    query = _select(in_visible_school(caller, webhooks.c.school_id)).order_by(webhooks.c.id)
    if disabled:
        query = query.where(webhooks.c.disabled.in_(disabled))
    return [_webhook(*row) for row in await connection.execute(query)]


def _select(*which: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(*which)


def _webhook(webhook_id: int, url: str, event_types: list[str], *more: Any) -> Webhook:
    school_id, in_order, created_at, disabled, *rest = more
    reason = None if disabled is None else Disabled(disabled)
    return Webhook(webhook_id, url, tuple(event_types), school_id, in_order, created_at, reason, *rest)


async def change_webhook(connection: AsyncConnection, webhook_id: int, values: Mapping[str, Any]) -> None:
    """Changes columns of a webhook."""
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(dict(values)))


async def delete_webhook(connection: AsyncConnection, webhook_id: int) -> None:
    """Deletes a webhook with its log."""
    for table in (webhook_deliveries, webhook_retries):
        await connection.execute(delete(table).where(table.c.webhook_id == webhook_id))
    await connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id))


async def secrets_of(connection: AsyncConnection, webhook_id: int) -> SealedSecrets:
    """The encrypted secrets of a webhook."""
    c = webhooks.c
    query = select(c.secret, c.earlier_secret, c.earlier_ends_at).where(c.id == webhook_id)
    return SealedSecrets(*(await connection.execute(query)).one())


async def list_secrets(connection: AsyncConnection, after: int, limit: int) -> list[tuple[int, str, str | None]]:
    """The encrypted secrets of at most `limit` webhooks with ids after `after`: the current and the earlier one."""
    c = webhooks.c
    query = select(c.id, c.secret, c.earlier_secret).where(c.id > after).order_by(c.id).limit(limit)
    return [tuple(row) for row in await connection.execute(query)]


async def replace_secret(connection: AsyncConnection, webhook_id: int, before: str, after: str) -> bool:
    """Replaces an encrypted secret by another text of the same secret. Returns False if it has been rotated away."""
    changed = 0
    for column in (webhooks.c.secret, webhooks.c.earlier_secret):
        statement = update(webhooks).where(webhooks.c.id == webhook_id, column == before).values({column: after})
        changed += (await connection.execute(statement)).rowcount
    return changed > 0


async def has_enabled(connection: AsyncConnection) -> bool:
    """Whether any webhook is enabled."""
    return await connection.scalar(select(webhooks.c.id).where(webhooks.c.disabled.is_(None)).limit(1)) is not None


async def webhooks_to_deliver(connection: AsyncConnection, last_id: int, now: datetime) -> list[int]:
    """The ids of enabled webhooks that have something to deliver now: events up to `last_id`, or retries."""
    c, retry = webhooks.c, webhook_retries.c
    is_due = exists(select(retry.event_id).where(retry.webhook_id == c.id, retry.next_attempt_at <= now))
    query = select(c.id).where(
        c.disabled.is_(None),
        or_(c.next_attempt_at.is_(None), c.next_attempt_at <= now),
        or_(c.position < last_id, is_due),
    )
    return list(await connection.scalars(query.order_by(c.id)))


async def due_retries(connection: AsyncConnection, webhook_id: int, now: datetime, limit: int) -> dict[int, int]:
    """The first events that are to be delivered again now, by id, with their failed attempts."""
    c = webhook_retries.c
    query = select(c.event_id, c.attempts).where(c.webhook_id == webhook_id, c.next_attempt_at <= now)
    rows = await connection.execute(query.order_by(c.event_id).limit(limit))
    return {row.event_id: row.attempts for row in rows}


async def count_retries(connection: AsyncConnection) -> int:
    """The number of events that enabled webhooks are to deliver again."""
    c = webhook_retries.c
    is_enabled = exists(select(webhooks.c.id).where(webhooks.c.id == c.webhook_id, webhooks.c.disabled.is_(None)))
    return await connection.scalar(select(func.count()).select_from(webhook_retries).where(is_enabled)) or 0


async def set_retries(
    connection: AsyncConnection, webhook_id: int, retries: Mapping[int, tuple[int, datetime]]
) -> None:
    """Notes events that are delivered again, by id, with their failed attempts and the time of the next one. The caller
    has locked the webhook.
    """
    await delete_retries(connection, webhook_id, retries.keys())
    rows = [
        {"webhook_id": webhook_id, "event_id": event_id, "attempts": attempts, "next_attempt_at": at}
        for event_id, (attempts, at) in sorted(retries.items())
    ]
    if rows:
        await connection.execute(insert(webhook_retries), rows)


async def hasten_retries(connection: AsyncConnection, webhook_id: int, now: datetime) -> None:
    """Makes all retries of a webhook due. The caller has locked the webhook."""
    c = webhook_retries.c
    later = (c.webhook_id == webhook_id, c.next_attempt_at > now)
    await connection.execute(update(webhook_retries).where(*later).values(next_attempt_at=now))


async def delete_retries(connection: AsyncConnection, webhook_id: int, event_ids: Collection[int]) -> None:
    """Forgets retries of events that have arrived."""
    c = webhook_retries.c
    await connection.execute(delete(webhook_retries).where(c.webhook_id == webhook_id, c.event_id.in_(event_ids)))


async def replay_period(
    connection: AsyncConnection, webhook: Webhook, since: datetime, until: datetime, now: datetime
) -> int:
    """Notes for another delivery the events of a period that the webhook receives and has passed. Returns their number.

    The caller has locked the webhook.
    """
    c, retry = events.c, webhook_retries.c
    passed = (c.occurred_at >= since, c.occurred_at < until, c.id <= webhook.position, *_received_by(webhook))
    await connection.execute(
        delete(webhook_retries).where(retry.webhook_id == webhook.id, retry.event_id.in_(select(c.id).where(*passed)))
    )
    again = select(literal(webhook.id), c.id, literal(0), literal(now, retry.next_attempt_at.type)).where(*passed)
    columns = (retry.webhook_id, retry.event_id, retry.attempts, retry.next_attempt_at)
    result = await connection.execute(insert(webhook_retries).from_select(columns, again))
    return result.rowcount


async def is_received(connection: AsyncConnection, webhook: Webhook, event_id: int) -> bool:
    """Whether the webhook receives an event that is kept and that it has passed."""
    which = (events.c.id == event_id, events.c.id <= webhook.position, *_received_by(webhook))
    return await connection.scalar(select(events.c.id).where(*which)) is not None


def _received_by(webhook: Webhook) -> list[ColumnElement[bool]]:
    which = equal((events.c.school_id, webhook.school_id))
    return [*which, events.c.type.in_(webhook.event_types)] if webhook.event_types else which


async def count_waiting(connection: AsyncConnection, webhook: Webhook, limit: int) -> int:
    """The number of events that the webhook has still to receive, counted up to `limit`."""
    c = webhook_retries.c
    following = select(events.c.id).where(events.c.id > webhook.position, *_received_by(webhook)).limit(limit)
    again = select(c.event_id).where(c.webhook_id == webhook.id).limit(limit)
    counts = [select(func.count()).select_from(each.subquery()).scalar_subquery() for each in (following, again)]
    return min(limit, await connection.scalar(select(counts[0] + counts[1])) or 0)


async def log_deliveries(
    connection: AsyncConnection, webhook_id: int, attempts: Sequence[tuple[int | None, str, int, Attempt]]
) -> None:
    """Adds attempts to the log, each with the id and the type of its event, and its number."""
    rows = [
        {
            "webhook_id": webhook_id,
            "event_id": event_id,
            "event_type": event_type,
            "number": number,
            **{each.name: getattr(attempt, each.name) for each in fields(Attempt)},
        }
        for event_id, event_type, number, attempt in attempts
    ]
    await connection.execute(insert(webhook_deliveries), rows)


async def list_deliveries(
    connection: AsyncConnection, webhook: Webhook, before: int | None, limit: int, *, failed_only: bool
) -> list[Delivery]:
    """At most `limit` attempts, the newest first, from before the id `before`."""
    c, retry = webhook_deliveries.c, webhook_retries.c
    query = (
        select(*_DELIVERY, retry.attempts, retry.next_attempt_at)
        .outerjoin(webhook_retries, and_(retry.webhook_id == c.webhook_id, retry.event_id == c.event_id))
        .where(c.webhook_id == webhook.id)
        .order_by(c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(c.id < before)
    if failed_only:
        query = query.where(or_(c.status.is_(None), c.status < 200, c.status > 299))
    found: list[Delivery] = []
    for row in await connection.execute(query):
        *values, attempts, due = tuple[Any, ...](row)
        delivery = _delivery(*values)
        retry_of_event = None if due is None else Retry(attempts, due)
        found.append(replace(delivery, next_attempt_at=next_attempt_after(webhook, delivery, retry_of_event)))
    return found


async def last_deliveries(connection: AsyncConnection, caller: Caller) -> dict[int, Delivery]:
    """The newest attempt of each webhook that the caller sees, by the id of the webhook."""
    entries = webhook_deliveries.alias()
    newest = select(func.max(entries.c.id)).where(entries.c.webhook_id == webhooks.c.id).scalar_subquery()
    both = webhooks.join(webhook_deliveries, webhook_deliveries.c.id == newest.correlate(webhooks))
    query = select(*_DELIVERY).select_from(both).where(in_visible_school(caller, webhooks.c.school_id))
    return {each.webhook_id: each for each in [_delivery(*row) for row in await connection.execute(query)]}


def _delivery(
    delivery_id: int, webhook_id: int, event_id: int | None, event_type: str, number: int, *attempt: Any
) -> Delivery:
    return Delivery(delivery_id, webhook_id, event_id, event_type, number, Attempt(*attempt))


async def prune_deliveries(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Deletes at most `limit` attempts from before a time. Returns their number."""
    c = webhook_deliveries.c
    old = list(await connection.scalars(select(c.id).where(c.attempted_at < before).limit(limit)))
    if old:
        await connection.execute(delete(webhook_deliveries).where(c.id.in_(old)))
    return len(old)
