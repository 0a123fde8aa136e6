"""The queue of webhooks, and the loop that adds their messages. It is BullMQ's, beside that of attendance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

from adsum.events.repository import end_of_scan, lock_position, read_ends, set_position
from adsum.events.service import EventNumbering
from adsum.events.webhooks.delivery import Deliveries
from adsum.events.webhooks.pace import Pace
from adsum.events.webhooks.repository import pending_work, set_newest, webhooks_to_deliver
from adsum.events.webhooks.rules import DISPATCHER
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.redis.connection import translated
from adsum.platform.redis.queues import open_message_queue
from adsum.platform.redis.shards import Shard
from adsum.platform.redis.workers import QueueMessage, QueueWorker, WorkerOptions
from adsum.platform.telemetry import LogIcon, logger

# Between two passes: while a webhook is enabled, while attendance is processed, and while no webhook is enabled.
PAUSE_S = 0.05
PAUSE_BESIDE_ATTENDANCE_S = 0.5
IDLE_PAUSE_S = 1.0
ERROR_PAUSE_S = 30.0
OUTAGE_PAUSE_S = 5.0
# Events that a pass numbers while attendance is processed, at most 200 a second: a busy worker delivers 20. The others
# are numbered when attendance rests, or by the sweeper.
NUMBERED_BESIDE_ATTENDANCE = 100
# Receivers that one worker serves at once. A slow one holds a place, not a thread.
CONCURRENCY = 100
MATCHED_AT_ONCE = 10_000

log = logger(__name__)


def queue_of_webhooks(attendance: str) -> str:
    """The name of the queue of webhooks beside the queue of attendance."""
    return f"{attendance}-webhooks"


class WebhookQueue:
    """Adds messages: one for each webhook that has something to deliver, unless it has one already."""

    def __init__(self, home: Shard, *, queue_name: str) -> None:
        self._queue: Any = open_message_queue(home.redis, queue_name, home.key_prefix)

    async def add(self, webhook_ids: Sequence[int]) -> None:
        """Adds messages. BullMQ drops one whose id it has. Raises QueueOutage."""
        options = {"removeOnComplete": True, "removeOnFail": True}
        jobs = [
            {"name": "deliver", "data": {"webhook": each}, "opts": {**options, "jobId": f"webhook-{each}"}}
            for each in webhook_ids
        ]
        if jobs:
            with translated():
                await self._queue.addBulk(cast("Any", jobs))


class Dispatch:
    """Numbers events and adds the messages of webhooks that receive them, several times a second. Two at once do no
    harm.

    Args:
        database: has the webhooks.
        numbering: numbers events.
        queue: takes the messages.
        pace: tells whether attendance is being processed.
        is_leading: whether this process leads the sweepers: one process is enough.
        now: the clock.
        matched_at_once: the number of events that one transaction matches with the webhooks.
    """

    def __init__(
        self,
        database: Database,
        numbering: EventNumbering,
        queue: WebhookQueue,
        pace: Pace,
        is_leading: Callable[[], bool],
        now: Clock,
        matched_at_once: int = MATCHED_AT_ONCE,
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._queue = queue
        self._pace = pace
        self._is_leading = is_leading
        self._now = now
        self._matched_at_once = matched_at_once

    async def run(self, stop: asyncio.Event) -> None:
        """Dispatches again and again until `stop` is set. An error ends a pass, never the loop or the worker."""
        while not stop.is_set():
            pause = IDLE_PAUSE_S
            try:
                if self._is_leading() and await self.dispatch():
                    pause = PAUSE_BESIDE_ATTENDANCE_S if self._pace.is_busy else PAUSE_S
            except Unavailable as error:
                log.error("outage, webhooks postponed", mark=LogIcon.ERROR, code=error.code)
            except Exception:
                log.exception("dispatching webhooks failed", mark=LogIcon.ERROR)
                pause = ERROR_PAUSE_S
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def dispatch(self) -> bool:
        """Adds the messages that are due. Returns whether any webhook is enabled."""
        async with self._database.autocommit_read() as connection:
            work = await pending_work(connection, self._now())
        if not work.has_enabled:
            return False
        if work.has_events:
            await self._number()
            while await self._match_events():
                pass
        if work.has_events or work.has_due:
            async with self._database.autocommit_read() as connection:
                due = await webhooks_to_deliver(connection, self._now())
            await self._queue.add(due)
        return True

    async def _number(self) -> None:
        if self._pace.is_busy:
            await self._numbering.number_some(NUMBERED_BESIDE_ATTENDANCE)
        else:
            await self._numbering.number()

    async def _match_events(self) -> bool:
        """Matches new events with the filters of the webhooks. A webhook that receives none of them is not even read
        when the messages are added. Returns whether more may follow.
        """
        async with self._database.transaction() as connection:
            position, ends = await lock_position(connection, DISPATCHER), await read_ends(connection)
            begin = max(position, ends.pruned_id)
            if begin >= ends.last_id:  # another process has matched them
                return False
            end = await end_of_scan(connection, ends, begin, self._matched_at_once)
            await set_newest(connection, begin, end)
            await set_position(connection, DISPATCHER, end)
        return end < ends.last_id


def new_webhook_worker(options: WorkerOptions, deliveries: Deliveries) -> QueueWorker:
    """A worker that delivers the events of one webhook for each message.

    After an error the webhook pauses: its message would come again at once, and what was sent but not stored with it.
    No error reaches BullMQ, which publishes its text.
    """

    async def deliver(message: QueueMessage, _token: str) -> None:
        webhook_id = int(message.data["webhook"])
        try:
            await deliveries.deliver(webhook_id)
        except Unavailable as error:
            log.error("outage, delivery postponed", mark=LogIcon.ERROR, webhook_id=webhook_id, code=error.code)
            await asyncio.sleep(OUTAGE_PAUSE_S)  # the message stays with this worker, so that it does not come again
        except Exception:
            log.exception("delivery failed", mark=LogIcon.ERROR, webhook_id=webhook_id)
            await deliveries.postpone(webhook_id)

    return QueueWorker(options, deliver, "waiting for webhooks")
