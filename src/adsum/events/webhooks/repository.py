"""Statements on webhooks, their deliveries and their retries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Subquery,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.tables import api_keys
from adsum.accounts.visibility import in_visible_school
from adsum.events.repository import HAS_NEW_EVENTS, position_of
from adsum.events.tables import event_log
from adsum.events.webhooks.rules import (
    DISPATCHER,
    STOPPED,
    Attempt,
    Delivery,
    Disabled,
    Retry,
    Waiting,
    Webhook,
    next_attempt_after,
)
from adsum.events.webhooks.tables import HAS_FAILED, webhook_deliveries, webhook_replays, webhook_retries, webhooks
from adsum.platform.database.filters import equal
from adsum.platform.database.new_events import events
from adsum.platform.database.sql_files import sql_file

_SET_NEWEST = sql_file("adsum.events.webhooks", "set_newest")
# When the key that has set the URL ends: a key that is revoked has ended, also before it expires.
_KEY_ENDS_AT = (
    select(func.coalesce(api_keys.c.revoked_at, api_keys.c.expires_at))
    .where(api_keys.c.id == webhooks.c.ends_with_key_id)
    .scalar_subquery()
)
_COLUMNS = tuple(
    _KEY_ENDS_AT.label(each.name) if each.name == "key_ends_at" else webhooks.c[each.name] for each in fields(Webhook)
)
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
    connection: AsyncConnection, webhook_id: int, caller: Caller, now: datetime, *, lock: bool = False
) -> Webhook | None:
    """A webhook that the caller sees: those of all schools are for callers of all schools."""
    query = _select(in_visible_school(caller, webhooks.c.school_id), webhooks.c.id == webhook_id)
    rows = await connection.execute(query.with_for_update(of=webhooks) if lock else query)
    row = rows.mappings().one_or_none()
    return None if row is None else _webhook(row, now)


async def list_webhooks(
    connection: AsyncConnection,
    caller: Caller,
    now: datetime,
    school_id: int | None = None,
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[Webhook]:
    """The webhooks that the caller sees, by id, after an id; at most `limit`, None: all."""
    which = (*equal((webhooks.c.school_id, school_id)), webhooks.c.id > after)
    query = _select(in_visible_school(caller, webhooks.c.school_id), *which).order_by(webhooks.c.id).limit(limit)
    return [_webhook(row, now) for row in (await connection.execute(query)).mappings()]


async def list_stopped(connection: AsyncConnection, caller: Caller, now: datetime) -> list[Webhook]:
    """The webhooks that the caller sees and that have stopped without anybody having disabled them, by id."""
    has_stopped = or_(webhooks.c.disabled.in_(STOPPED), and_(webhooks.c.disabled.is_(None), _has_ended_key(now)))
    query = _select(in_visible_school(caller, webhooks.c.school_id), has_stopped).order_by(webhooks.c.id)
    return [_webhook(row, now) for row in (await connection.execute(query)).mappings()]


def _select(*which: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(webhooks.c.deleted_at.is_(None), *which)


def _webhook(row: RowMapping, now: datetime) -> Webhook:
    values: dict[str, Any] = {**row, "event_types": tuple(row["event_types"])}
    if values["disabled"] is not None:
        # The column stays until it is enabled.
        values |= {"disabled": Disabled(values["disabled"]), "next_attempt_at": None}
    elif values["key_ends_at"] is not None and values["key_ends_at"] <= now:
        values |= {"disabled": Disabled.KEY_ENDED, "disabled_at": values["key_ends_at"], "next_attempt_at": None}
    return Webhook(**values)


def is_enabled(now: datetime) -> ColumnElement[bool]:
    """Whether a webhook receives anything: nobody has disabled it, and the key that has set its URL has not ended."""
    return and_(webhooks.c.disabled.is_(None), webhooks.c.deleted_at.is_(None), not_(_has_ended_key(now)))


def _has_ended_key(now: datetime) -> ColumnElement[bool]:
    c = api_keys.c
    ended = (c.id == webhooks.c.ends_with_key_id, func.coalesce(c.revoked_at, c.expires_at) <= now)
    return exists(select(c.id).where(*ended))


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


class PendingWork(NamedTuple):
    """The state of the webhooks and of the event log, from which a pass of the dispatcher follows.

    Attributes:
        has_enabled: a webhook is enabled.
        has_events: a committed event has no number yet, or was not matched with the filters of the webhooks.
        has_due: an enabled webhook has something to deliver now.
    """

    has_enabled: bool
    has_events: bool
    has_due: bool


async def pending_work(connection: AsyncConnection, now: datetime) -> PendingWork:
    """In one statement, since a dispatcher with nothing to do asks twenty times a second."""
    last_id = func.coalesce(select(event_log.c.last_id).scalar_subquery(), 0)
    query = select(
        exists(select(webhooks.c.id).where(is_enabled(now))),
        or_(HAS_NEW_EVENTS, last_id > position_of(DISPATCHER)),
        exists(select(webhooks.c.id).where(*_is_due(now))),
    )
    return PendingWork(*(await connection.execute(query)).one())


async def set_newest(connection: AsyncConnection, position: int, last_id: int) -> None:
    """Notes for each enabled webhook the newest event that it receives, of those after a position up to `last_id`. The
    caller has locked the position of the dispatcher.
    """
    await _SET_NEWEST.fetch_all(connection, {"position": position, "last_id": last_id})


async def webhooks_to_deliver(connection: AsyncConnection, now: datetime) -> list[int]:
    """The ids of enabled webhooks that have something to deliver now: events, retries, or a replay."""
    return list(await connection.scalars(select(webhooks.c.id).where(*_is_due(now)).order_by(webhooks.c.id)))


def _is_due(now: datetime) -> list[ColumnElement[bool]]:
    c, retry, replay = webhooks.c, webhook_retries.c, webhook_replays.c
    has_retry = exists(select(retry.event_id).where(retry.webhook_id == c.id, retry.next_attempt_at <= now))
    has_replay = exists(select(replay.id).where(replay.webhook_id == c.id))
    return [
        is_enabled(now),
        or_(c.next_attempt_at.is_(None), c.next_attempt_at <= now),
        or_(c.position < c.newest_id, has_retry, has_replay),
    ]


async def due_retries(connection: AsyncConnection, webhook_id: int, now: datetime, limit: int) -> dict[int, int]:
    """The first events that are to be delivered again now, by id, with their failed attempts."""
    c = webhook_retries.c
    query = select(c.event_id, c.attempts).where(c.webhook_id == webhook_id, c.next_attempt_at <= now)
    rows = await connection.execute(query.order_by(c.event_id).limit(limit))
    return {row.event_id: row.attempts for row in rows}


async def count_retries(connection: AsyncConnection, now: datetime, limit: int) -> int:
    """The number of events that enabled webhooks are to deliver again, at most `limit`."""
    retries = select(webhook_retries.c.event_id).join(webhooks).where(is_enabled(now)).limit(limit).subquery()
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


def received_by(webhook: Webhook, c: Any = events.c) -> list[ColumnElement[bool]]:
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
    received = case((and_(scanned.c.is_meant, *received_by(webhook, scanned.c)), scanned.c.id))
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
