"""Statements on replays: which events of a period a webhook receives again, and how far that has come."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import and_, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.events.webhooks.repository import is_enabled, received_by
from adsum.events.webhooks.rules import Webhook
from adsum.events.webhooks.tables import webhook_replays, webhooks
from adsum.platform.database.new_events import events


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
        *(scanned.c.occurred_at >= since, scanned.c.occurred_at < until), *received_by(webhook, scanned.c)
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
    """Begins a replay of the events of a period, of which those after an id up to `last_id` are received. It takes up
    the replays under way whose periods overlap with it or touch it, and that have not passed its events: so no event
    waits for two replays, however many are begun, and none is delivered again that only a replay before has delivered.
    The caller has locked the webhook.
    """
    replay = webhook_replays.c
    periods_overlap = (replay.since <= until, replay.until >= since)
    events_overlap = (replay.position <= last_id, replay.last_id >= after)
    taken_up = delete(webhook_replays).where(replay.webhook_id == webhook_id, *periods_overlap, *events_overlap)
    rows = await connection.execute(taken_up.returning(replay.since, replay.until, replay.position, replay.last_id))
    sinces, untils, positions, last_ids = zip((since, until, after, last_id), *rows, strict=True)
    values = {"since": min(sinces), "until": max(untils), "position": min(positions), "last_id": max(last_ids)}
    await connection.execute(insert(webhook_replays).values(webhook_id=webhook_id, **values))


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


async def count_replays(connection: AsyncConnection, now: datetime) -> int:
    """The number of replays of enabled webhooks that are under way."""
    of_enabled = select(func.count()).select_from(webhook_replays.join(webhooks)).where(is_enabled(now))
    return await connection.scalar(of_enabled) or 0


async def is_received(connection: AsyncConnection, webhook: Webhook, event_id: int) -> bool:
    """Whether the webhook receives an event that is kept and that it has passed."""
    which = (events.c.id == event_id, events.c.id <= webhook.position, *received_by(webhook))
    return await connection.scalar(select(events.c.id).where(*which)) is not None
