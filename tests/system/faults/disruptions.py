"""An installation under load, with listeners to its events, whose servers a test disrupts."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text

from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.slots import slot_of
from tests.support.servers.controlled import Controlled
from tests.support.servers.valkey import tell
from tests.support.waiting import until
from tests.system.faults.classes import create_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUICK, Installation, Member
from tests.system.faults.listeners import Listeners, listening
from tests.system.faults.load import Load, constant_load

# Invariant 5, and the time of a slow machine for the backlog.
WITHIN_S = 30.0
# Of the limits and restarts of readers of the feed.
SEED = 1


@dataclass
class Site:
    """An installation where classes are marked continuously, and the server to disrupt, if the test has its own."""

    installation: Installation
    stack: AsyncExitStack
    api: Member
    worker: Member
    load: Load
    listeners: Listeners
    controlled: Controlled | None = None
    valkey: Valkey | None = None

    @property
    def server(self) -> Controlled:
        assert self.controlled is not None
        return self.controlled

    def tell_valkey(self, command: str) -> None:
        assert self.valkey is not None
        assert tell(self.valkey, command).startswith("+")

    async def replace_worker(self) -> None:
        """Waits until the killed worker has ended, and starts another one."""
        await self.worker.wait_until_ended()
        self.worker = await self.installation.worker(self.stack, QUICK)

    async def more(self, number: int = 10) -> None:
        """Waits until `number` more classes are accepted."""
        goal = len(self.load.accepted) + number

        async def are_accepted() -> bool:
            return len(self.load.accepted) >= goal

        await until(are_accepted)

    async def refused(self) -> None:
        """Waits until a request is answered with 503."""
        before = self.load.refusals

        async def is_refused() -> bool:
            return self.load.refusals > before

        await until(is_refused)

    async def accumulate_backlog(self) -> None:
        """Kills the worker, so that batches are queued when the disruption begins."""
        self.worker.kill()
        await self.more(4)
        async with self.installation.adsum.database.snapshot() as connection:
            waiting = await connection.execute(text("SELECT count(*) FROM batch_runs WHERE state = 'open'"))
        assert waiting.scalar_one() >= 4


Disruption = Callable[[Site], Awaitable[None]]


@asynccontextmanager
async def loaded_site(redis_url: str, new_installation: NewInstallation) -> AsyncGenerator[Site]:
    """An installation on these servers, whose classes are marked until the block ends; then promises are verified."""
    async with (
        new_installation(redis_url=redis_url, has_proxies=False) as installation,
        under_load(installation) as site,
    ):
        yield site


def slot_of_shard(site: Site, number: int = 1) -> int:
    """The slot of a shard of a cluster with three primaries."""
    shards = site.installation.adsum.shards
    assert len(shards) == 3
    return slot_of(shards[number].key_prefix)


@asynccontextmanager
async def under_load(
    installation: Installation,
    controlled: Controlled | None = None,
    valkey: Valkey | None = None,
    *,
    corrects: bool = False,
) -> AsyncGenerator[Site]:
    """Marks classes until the block ends, waits for all responses, and verifies all promises and all events."""
    async with AsyncExitStack() as stack:
        classes = await create_classes(installation, classes=4)
        api, address = await installation.api(stack)
        worker = await installation.worker(stack, QUICK)
        load = Load(await stack.enter_async_context(platform(address, classes)), classes.batches())
        listeners = await stack.enter_async_context(
            listening(installation, lambda: load.platform.client, random.Random(SEED))
        )
        async with constant_load(load, corrects=corrects):
            yield Site(installation, stack, api, worker, load, listeners, controlled, valkey)
        await listeners.verify(load.promises, WITHIN_S)
