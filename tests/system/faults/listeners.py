"""Other systems that listen while servers are disrupted: receivers of webhooks and readers of the feed.

What they are owed is in the log of events, which the oracle compares with the rows of the database: the feed has each
event exactly once and in its order, and each receiver takes each of its events at least once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import httpx2
from sqlalchemy import text

from adsum.accounts.access import system_caller
from adsum.events.webhooks.service import NewWebhook
from adsum.platform.database.new_events import EventType
from adsum.platform.retries import retry_forever
from tests.support.waiting import until
from tests.system.faults.event_oracle import ENDED, LoggedEvent, load_events
from tests.system.faults.feed_readers import FeedReader, SeenEvent, digest_of_outcomes
from tests.system.faults.installation import Installation
from tests.system.faults.oracle import Promise, find_leftover_keys, load_rows, outcomes_of, verify, wait_until_idle
from tests.system.faults.receivers import Behaviour, Receiver

TROUBLE_S = (0.5, 6.0)
CALM_S = (1.0, 10.0)
COMPLETED = (EventType.BATCH_COMPLETED, EventType.BATCH_COMPLETED_WITH_ERRORS)
RETRIES = "SELECT count(*) FROM webhook_retries"


class Subscription(NamedTuple):
    """A webhook and its receiver."""

    webhook_id: int
    receiver: Receiver
    types: tuple[str, ...] = ()
    in_order: bool = True


@dataclass
class Listeners:
    """Receivers and readers. `troubled`: receivers that fail again and again."""

    installation: Installation
    rng: random.Random
    readers: list[FeedReader]
    subscriptions: list[Subscription] = field(default_factory=list[Subscription])
    reading: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    troubled: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def receiver(self) -> Receiver:
        """The receiver that never fails."""
        return self.subscriptions[0].receiver

    async def subscribe(
        self, stack: AsyncExitStack, *, types: tuple[EventType, ...] = (), in_order: bool = True
    ) -> Receiver:
        """Opens a receiver and creates its webhook."""
        receiver = Receiver(self.rng)
        await receiver.open()
        stack.push_async_callback(receiver.close)
        new = NewWebhook(receiver.url, types, in_order=in_order)
        created = await self.installation.adsum.webhooks.create(new, system_caller())
        receiver.secret = created.secret
        self.subscriptions.append(Subscription(created.webhook.id, receiver, types, in_order))
        return receiver

    async def trouble(self, receiver: Receiver) -> None:
        """Lets a receiver fail again and again, each time in another way."""
        while True:
            await asyncio.sleep(self.rng.uniform(*CALM_S))  # the duration of a random state
            await receiver.behave(self.rng.choice(list(Behaviour)))
            await asyncio.sleep(self.rng.uniform(*TROUBLE_S))  # the duration of a random state
            await receiver.behave(Behaviour.HEALTHY)

    async def calm(self) -> None:
        """Ends all trouble, and lets webhooks that pause after a failure go on, as an operator does."""
        await end(self.troubled)
        for each in self.subscriptions:
            await each.receiver.behave(Behaviour.HEALTHY)
            await retry_forever(self._enable, each.webhook_id)

    async def _enable(self, webhook_id: int) -> None:
        await self.installation.adsum.webhooks.change(webhook_id, system_caller(), enabled=True)

    async def verify(self, promises: Sequence[Promise], within: float) -> None:
        """Waits until all work is done and told, and asserts that nothing is lost, doubled, stuck or left over.

        The same holds for events: the log has each, the feed has each once, receivers took each at least once.
        """
        await self.calm()
        await wait_until_idle(self.installation, within)
        await self._wait_until_told(within)
        await verify(self.installation, promises, within=within)
        await end(self.reading)
        defects = [*await self._defects_of_readers(), *self._defects_of_receivers()]
        assert not defects, "\n".join(defects[:20])

    async def _wait_until_told(self, within: float) -> None:
        """Waits until all events are delivered and read, as long as some arrive within `within` seconds.

        Deliveries yield to attendance, and may have fallen far behind. Nothing happens any more.
        """
        log = (await load_events(self.installation)).log
        newest = log[-1].id if log else None
        owed = [{each.id for each in log if not types or each.type in types} for _, _, types, _ in self.subscriptions]

        def is_told() -> bool:
            for task in self.reading:
                assert not task.done(), f"a reader of the feed failed: {task.exception()}"
            are_taken = all(ids <= each.receiver.taken_ids for ids, each in zip(owed, self.subscriptions, strict=True))
            return are_taken and all(each.cursor == newest for each in self.readers)

        async def is_at_rest() -> bool:
            return is_told() and not await retry_forever(self._waiting_deliveries)

        taken = list[int]()
        while not await _becomes(is_at_rest, within):
            before, taken = taken, [len(each.receiver.taken_ids) for each in self.subscriptions]
            if taken == before:
                cursors = [each.cursor for each in self.readers]
                expected = f"readers at {newest}, receivers with {[len(ids) for ids in owed]} events"
                behind = f"readers are at {cursors}, receivers have {taken}"
                raise AssertionError(f"expected {expected}; {behind}; waiting: {await self._waiting_deliveries()}")

    async def _waiting_deliveries(self) -> list[str]:
        """Retries that the database has, and messages and locks that Redis has."""
        async with self.installation.adsum.database.snapshot() as connection:
            retries = int((await connection.execute(text(RETRIES))).scalar_one())
        return [f"{retries} retries"] * bool(retries) + (await find_leftover_keys(self.installation))[:5]

    async def _defects_of_readers(self) -> list[str]:
        found: list[str] = []
        log = (await load_events(self.installation)).log
        for reader in self.readers:
            owed = [event for event in log if not reader.types or event.type in reader.types]
            if [each.id for each in reader.seen] != [each.id for each in owed]:
                seen = [each.id for each in reader.seen]
                found.append(
                    f"a reader saw {len(seen)} of {len(owed)} events: lost {_lost(owed, seen)}, or doubled some"
                )
            told = {each.id: (each.type, each.run_id) for each in owed if each.run_id}
            found += [
                f"the feed has {each} otherwise" for each in reader.seen if told.get(each.id, each[1:3]) != each[1:3]
            ]
        return found + await self._wrong_outcomes(self.readers[0].seen)

    async def _wrong_outcomes(self, seen: Sequence[SeenEvent]) -> list[str]:
        """Compares the students of events with the outcomes that the oracle counts."""
        rows = await load_rows(self.installation)
        expected = {run_id: digest_of_outcomes(outcomes) for run_id, outcomes in outcomes_of(rows)}
        ended = (each for each in seen if each.type in ENDED)
        return [f"event {each.id} has wrong outcomes" for each in ended if expected[each.run_id or ""] != each.students]

    def _defects_of_receivers(self) -> list[str]:
        found: list[str] = []
        for webhook_id, receiver, types, in_order in self.subscriptions:
            owed = [(each.id, each.digest) for each in self.readers[0].seen if not types or each.type in types]
            found += [f"webhook {webhook_id}: {each}" for each in receiver.find_defects(owed, in_order=in_order)]
        return found

    @property
    def figures(self) -> dict[str, int]:
        """Numbers for the report."""
        arrivals = [arrival for each in self.subscriptions for arrival in each.receiver.arrivals]
        once = sum(len(each.receiver.taken) for each in self.subscriptions)
        taken = sum(arrival.is_taken for arrival in arrivals)
        return {
            "events": len(self.readers[0].seen),
            "restarts of readers of the feed": sum(each.restarts for each in self.readers),
            "deliveries": taken,
            "of them again": taken - once,
            "refused by receivers": len(arrivals) - taken,
        }


async def end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _becomes(condition: Callable[[], Awaitable[bool]], within: float) -> bool:
    """Whether the condition holds within `within` seconds."""
    try:
        await until(condition, within)
    except TimeoutError:
        return False
    return True


def _lost(owed: Sequence[LoggedEvent], seen: Sequence[int]) -> list[int]:
    return sorted({each.id for each in owed} - set(seen))[:5]


@asynccontextmanager
async def listening(
    installation: Installation, client: Callable[[], httpx2.AsyncClient], rng: random.Random, *, trouble: bool = False
) -> AsyncGenerator[Listeners]:
    """Lets other systems listen until the block ends. With `trouble`, two more receivers fail again and again."""
    readers = [FeedReader(client, rng), FeedReader(client, rng, tuple(COMPLETED))]
    listeners = Listeners(installation, rng, readers)
    async with AsyncExitStack() as stack:
        await listeners.subscribe(stack)
        if trouble:
            failing = [
                await listeners.subscribe(stack),
                await listeners.subscribe(stack, types=COMPLETED, in_order=False),
            ]
            listeners.troubled = [asyncio.create_task(listeners.trouble(each)) for each in failing]
        listeners.reading = [asyncio.create_task(each.run()) for each in readers]
        try:
            yield listeners
        finally:
            await end([*listeners.reading, *listeners.troubled])
