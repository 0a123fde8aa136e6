"""Statements on webhooks, their deliveries and their retries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.events.webhooks.rules import Attempt, Delivery, Disabled, Retry, Waiting, Webhook, next_attempt_after
from adsum.events.webhooks.tables import HAS_FAILED, webhook_deliveries, webhook_replays, webhook_retries, webhooks
from adsum.platform.database.filters import equal
from adsum.platform.database.new_events import events
from adsum.platform.database.sql_files import sql_file

_SET_NEWEST = sql_file("adsum.events.webhooks", "set_newest")
_ENABLED = (webhooks.c.disabled.is_(None), webhooks.c.deleted_at.is_(None))
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


class Received(NamedTuple):
    """Events that a webhook receives, among some that were looked at: their number, the first and the last one, and of
    all that were looked at the last one, and the time of the latest one. None: there was none.
    """

    number: int
    first: int | None
    last: int | None
    complete: int | None
    latest: datetime | None


class Replay(NamedTuple):
    """A replay of the events of a period: those after `position` up to `last_id` are still to be delivered again."""

    id: int
    since: datetime
    until: datetime
    position: int
    last_id: int


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
    connection: AsyncConnection, caller: Caller, disabled: Collection[Disabled] = (), school_id: int | None = None
) -> list[Webhook]:
    """The webhooks that the caller sees, by id; with `disabled` those that are disabled for one of these reasons."""
    which = equal((webhooks.c.school_id, school_id))
    query = _select(in_visible_school(caller, webhooks.c.school_id), *which).order_by(webhooks.c.id)
    if disabled:
        query = query.where(webhooks.c.disabled.in_(disabled))
    return [_webhook(*row) for row in await connection.execute(query)]


def _select(*which: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(webhooks.c.deleted_at.is_(None), *which)


def _webhook(webhook_id: int, url: str, event_types: list[str], *more: Any) -> Webhook:
    school_id, in_order, created_at, disabled, *rest = more
    reason = None if disabled is None else Disabled(disabled)
    found = Webhook(webhook_id, url, tuple(event_types), school_id, in_order, created_at, reason, *rest)
    return replace(found, next_attempt_at=None) if reason else found  # the column stays until it is enabled


async def change_webhook(connection: AsyncConnection, webhook_id: int, values: Mapping[str, Any]) -> None:
    """Changes columns of a webhook."""
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(dict(values)))


async def delete_webhook(connection: AsyncConnection, webhook_id: int, now: datetime) -> None:
    """Makes a webhook invisible. `prune_deleted` deletes it with its log."""
    values = {"deleted_at": now, "secret": "", "earlier_secret": None}
    await connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(values))


async def prune_deleted(connection: AsyncConnection, limit: int) -> int:
    """Deletes at most `limit` rows of a webhook that was deleted, at last its own. Returns their number."""
    c = webhooks.c
    oldest = select(c.id).where(c.deleted_at.is_not(None)).order_by(c.id).limit(1).with_for_update()
    webhook_id = await connection.scalar(oldest)
    if webhook_id is None:
        return 0
    deleted = 0
    for table, key in (
        (webhook_deliveries, webhook_deliveries.c.id),
        (webhook_retries, webhook_retries.c.event_id),
        (webhook_replays, webhook_replays.c.id),
    ):
        of_webhook = table.c.webhook_id == webhook_id
        page = list(await connection.scalars(select(key).where(of_webhook).limit(limit - deleted)))
        await connection.execute(delete(table).where(of_webhook, key.in_(page)))
        deleted += len(page)
    if deleted == limit:
        return deleted
    await connection.execute(delete(webhooks).where(c.id == webhook_id))
    return deleted + 1


async def secrets_of(connection: AsyncConnection, webhook_id: int) -> SealedSecrets:
    """The encrypted secrets of a webhook."""
    c = webhooks.c
    query = select(c.secret, c.earlier_secret, c.earlier_ends_at).where(c.id == webhook_id)
    return SealedSecrets(*(await connection.execute(query)).one())


async def list_secrets(connection: AsyncConnection, after: int, limit: int) -> list[tuple[int, str, str | None]]:
    """The encrypted secrets of at most `limit` webhooks with ids after `after`: the current and the earlier one."""
    c = webhooks.c
    query = select(c.id, c.secret, c.earlier_secret).where(c.id > after, c.deleted_at.is_(None))
    query = query.order_by(c.id).limit(limit)
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
    return await connection.scalar(select(webhooks.c.id).where(*_ENABLED).limit(1)) is not None


async def set_newest(connection: AsyncConnection, position: int, last_id: int) -> None:
    """Notes for each enabled webhook the newest event that it receives, of those after a position up to `last_id`. The
    caller has locked the position of the dispatcher.
    """
    await _SET_NEWEST.fetch_all(connection, {"position": position, "last_id": last_id})


async def webhooks_to_deliver(connection: AsyncConnection, now: datetime) -> list[int]:
    """The ids of enabled webhooks that have something to deliver now: events, retries, or a replay."""
    c, retry, replay = webhooks.c, webhook_retries.c, webhook_replays.c
    is_due = exists(select(retry.event_id).where(retry.webhook_id == c.id, retry.next_attempt_at <= now))
    has_replay = exists(select(replay.id).where(replay.webhook_id == c.id))
    query = select(c.id).where(
        *_ENABLED,
        or_(c.next_attempt_at.is_(None), c.next_attempt_at <= now),
        or_(c.position < c.newest_id, is_due, has_replay),
    )
    return list(await connection.scalars(query.order_by(c.id)))


async def due_retries(connection: AsyncConnection, webhook_id: int, now: datetime, limit: int) -> dict[int, int]:
    """The first events that are to be delivered again now, by id, with their failed attempts."""
    c = webhook_retries.c
    query = select(c.event_id, c.attempts).where(c.webhook_id == webhook_id, c.next_attempt_at <= now)
    rows = await connection.execute(query.order_by(c.event_id).limit(limit))
    return {row.event_id: row.attempts for row in rows}


async def count_retries(connection: AsyncConnection, limit: int) -> int:
    """The number of events that enabled webhooks are to deliver again, at most `limit`."""
    retries = select(webhook_retries.c.event_id).join(webhooks).where(*_ENABLED).limit(limit).subquery()
    return await connection.scalar(select(func.count()).select_from(retries)) or 0


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


async def find_received(
    connection: AsyncConnection, webhook: Webhook, since: datetime, until: datetime, after: int, limit: int
) -> Received:
    """The events of a period that the webhook receives, among the next `limit` events after an id and up to its
    position.
    """
    c = events.c
    kept = (c.id > after, c.id <= webhook.position)
    scanned = select(c.id, c.type, c.school_id, c.occurred_at).where(*kept).order_by(c.id).limit(limit).subquery()
    is_received = and_(
        *(scanned.c.occurred_at >= since, scanned.c.occurred_at < until), *_received_by(webhook, scanned.c)
    )
    received = case((is_received, scanned.c.id))
    query = select(
        *(func.count(received), func.min(received), func.max(received)),
        *(func.max(scanned.c.id), func.max(scanned.c.occurred_at)),
    )
    return Received(*(await connection.execute(query)).one())


async def add_replay(
    connection: AsyncConnection, webhook_id: int, since: datetime, until: datetime, after: int, last_id: int
) -> None:
    """Begins a replay of the events of a period, of which those after an id up to `last_id` are received. A replay of
    the same period that is under way begins anew. The caller has locked the webhook.
    """
    replay = webhook_replays.c
    same = (replay.webhook_id == webhook_id, replay.since == since, replay.until == until)
    await connection.execute(delete(webhook_replays).where(*same))
    values = {"webhook_id": webhook_id, "since": since, "until": until, "position": after, "last_id": last_id}
    await connection.execute(insert(webhook_replays).values(values))


async def next_replay(connection: AsyncConnection, webhook_id: int) -> Replay | None:
    """The oldest replay of a webhook that is under way."""
    c = webhook_replays.c
    query = select(c.id, c.since, c.until, c.position, c.last_id).where(c.webhook_id == webhook_id)
    row = (await connection.execute(query.order_by(c.id).limit(1))).one_or_none()
    return None if row is None else Replay(*row)


async def advance_replay(connection: AsyncConnection, replay: Replay, position: int) -> None:
    """Moves a replay past what was delivered again. It ends after its last event. The caller has locked the webhook."""
    which = webhook_replays.c.id == replay.id
    if position >= replay.last_id:
        await connection.execute(delete(webhook_replays).where(which))
    else:
        await connection.execute(update(webhook_replays).where(which).values(position=position))


async def count_replays(connection: AsyncConnection) -> int:
    """The number of replays of enabled webhooks that are under way."""
    c = webhook_replays.c
    is_enabled = exists(select(webhooks.c.id).where(webhooks.c.id == c.webhook_id, *_ENABLED))
    return await connection.scalar(select(func.count()).select_from(webhook_replays).where(is_enabled)) or 0


async def is_received(connection: AsyncConnection, webhook: Webhook, event_id: int) -> bool:
    """Whether the webhook receives an event that is kept and that it has passed."""
    which = (events.c.id == event_id, events.c.id <= webhook.position, *_received_by(webhook))
    return await connection.scalar(select(events.c.id).where(*which)) is not None


def _received_by(webhook: Webhook, c: Any = events.c) -> list[ColumnElement[bool]]:
    """The conditions of events that the webhook receives. `c`: the columns of the events."""
    which = equal((c.school_id, webhook.school_id))
    return [*which, c.type.in_(webhook.event_types)] if webhook.event_types else which


async def count_waiting(connection: AsyncConnection, webhook: Webhook, after: int, limit: int) -> Waiting:
    """The number of events that the webhook has still to receive: new ones after an id, those of replays, and retries.
    Of each, at most `limit` events are looked at.
    """
    c, retry, replay = events.c, webhook_retries.c, webhook_replays.c
    new = select(c.id, c.type, c.school_id, true().label("is_meant")).where(c.id > after).order_by(c.id)
    is_in_period = and_(c.occurred_at >= replay.since, c.occurred_at < replay.until)
    remaining = and_(replay.webhook_id == webhook.id, c.id > replay.position, c.id <= replay.last_id)
    again = select(c.id, c.type, c.school_id, is_in_period.label("is_meant")).join(webhook_replays, remaining)
    single = select(retry.event_id).where(retry.webhook_id == webhook.id).limit(limit).subquery()
    found = [await _count_received(connection, each.limit(limit).subquery(), webhook) for each in (new, again)]
    retries = await connection.scalar(select(func.count()).select_from(single)) or 0
    has_more = retries == limit or any(scanned == limit for _, scanned in found)
    return Waiting(retries + sum(count for count, _ in found), has_more)


async def _count_received(connection: AsyncConnection, scanned: Subquery, webhook: Webhook) -> tuple[int, int]:
    """Of scanned events, the number of those that the webhook receives, and of all."""
    received = case((and_(scanned.c.is_meant, *_received_by(webhook, scanned.c)), scanned.c.id))
    count, number = (await connection.execute(select(func.count(received), func.count(scanned.c.id)))).one()
    return count, number


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
        query = query.where(HAS_FAILED)
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
    query = query.where(webhooks.c.deleted_at.is_(None))
    return {each.webhook_id: each for each in [_delivery(*row) for row in await connection.execute(query)]}


def _delivery(
    delivery_id: int, webhook_id: int, event_id: int | None, event_type: str, number: int, *attempt: Any
) -> Delivery:
    return Delivery(delivery_id, webhook_id, event_id, event_type, number, Attempt(*attempt))


async def remove_answers(connection: AsyncConnection, since: datetime) -> None:
    """Removes the answers to events from attempts since a time."""
    c = webhook_deliveries.c
    answered = (c.attempted_at >= since, c.event_id.is_not(None), c.answer != "")
    await connection.execute(update(webhook_deliveries).where(*answered).values(answer=""))


async def prune_deliveries(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Deletes at most `limit` attempts from before a time. Returns their number."""
    c = webhook_deliveries.c
    old = list(await connection.scalars(select(c.id).where(c.attempted_at < before).limit(limit)))
    if old:
        await connection.execute(delete(webhook_deliveries).where(c.id.in_(old)))
    return len(old)
