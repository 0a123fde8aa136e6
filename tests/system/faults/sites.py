"""An installation under load, to be harmed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text

from adsum.embedded.valkey import Valkey
from tests.support.servers.controlled import Controlled
from tests.support.servers.valkey import tell
from tests.support.waiting import until
from tests.system.faults.classes import found_classes, platform
from tests.system.faults.installation import QUICK, Installation, Member
from tests.system.faults.load import Load, steady
from tests.system.faults.oracle import judge

# Invariant 5, and the backlog of a machine with little to give.
WITHIN_S = 30.0


@dataclass
class Site:
    """An installation where classes are marked all the time, and the server to be harmed, if it has one of its own."""

    installation: Installation
    api: Member
    worker: Member
    load: Load
    controlled: Controlled | None = None
    valkey: Valkey | None = None

    @property
    def server(self) -> Controlled:
        assert self.controlled is not None
        return self.controlled

    def tell_valkey(self, command: str) -> None:
        assert self.valkey is not None
        assert tell(self.valkey, command).startswith("+")

    async def more(self, number: int = 10) -> None:
        """Waits until so many more classes were accepted."""
        goal = len(self.load.accepted) + number

        async def are_accepted() -> bool:
            return len(self.load.accepted) >= goal

        await until(are_accepted)

    async def refused(self) -> None:
        """Waits until a request was told that the database is away."""
        before = self.load.refusals

        async def is_told() -> bool:
            return self.load.refusals > before

        await until(is_told)

    async def let_work_pile_up(self) -> None:
        """Kills the worker, so that there is work in the queue when the blow falls."""
        self.worker.kill()
        await self.more(4)
        async with self.installation.adsum.database.snapshot() as connection:
            waiting = await connection.execute(text("SELECT count(*) FROM batch_runs WHERE state = 'open'"))
        assert waiting.scalar_one() >= 4


Harm = Callable[[Site], Awaitable[None]]


@asynccontextmanager
async def under_load(
    installation: Installation, controlled: Controlled | None = None, valkey: Valkey | None = None
) -> AsyncGenerator[Site]:
    """Classes are marked until the block ends; then every request that was begun is answered, and the oracle asked."""
    async with AsyncExitStack() as stack:
        classes = await found_classes(installation, classes=4)
        api, address = await installation.api(stack)
        worker = await installation.worker(stack, QUICK)
        load = Load(await stack.enter_async_context(platform(address, classes)), classes.batches())
        async with steady(load):
            yield Site(installation, api, worker, load, controlled, valkey)
        await judge(installation, load.promises, within=WITHIN_S)
