"""The testbed of a part: its own servers with a durable database, workers, an API, load, and listeners to events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from adsum.platform.database import schema
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.settings import Settings
from adsum.wiring import migrate, with_database
from tests.support.servers.controlled import Controlled, controlled_postgres, controlled_valkey
from tests.support.servers.processes import short_folder
from tests.support.servers.valkey import tell
from tests.system.faults.aims import Strike, aims_of, strike
from tests.system.faults.classes import Classes, create_classes, platform
from tests.system.faults.installation import KEY, Installation, Member, open_installation
from tests.system.faults.listeners import Listeners, listening
from tests.system.faults.load import Load

CLASSES = 300
# Default settings: locks of 5 s, a check for stalled chunks every second, a sweep every 2 s.
AS_INSTALLED: dict[str, str] = {}


@dataclass
class Testbed:
    """Servers, processes and load of one part."""

    installation: Installation
    stack: AsyncExitStack
    rng: random.Random
    classes: Classes
    load: Load
    listeners: Listeners
    controlled_postgres: Controlled | None
    controlled_valkey: tuple[Controlled, Valkey] | None
    api: Member
    pace: dict[str, str]
    workers: list[Member] = field(default_factory=list[Member])
    steps_met: Counter[str] = field(default_factory=Counter[str])

    @property
    def postgres(self) -> Controlled:
        assert self.controlled_postgres is not None
        return self.controlled_postgres

    @property
    def valkey(self) -> Controlled:
        assert self.controlled_valkey is not None
        return self.controlled_valkey[0]

    @property
    def valkey_server(self) -> Valkey:
        assert self.controlled_valkey is not None
        return self.controlled_valkey[1]

    async def start_worker(self) -> Member:
        """Starts another worker and returns when it waits for chunks."""
        worker = await self.installation.worker(self.stack, self.pace)
        self.workers.append(worker)
        return worker

    async def strike(self, action: Callable[[Member], None], *, breaks: bool = True) -> Strike | None:
        """Injects a fault into a worker at a random step of a chunk. Returns None if no worker came to the step."""
        found = await strike(self.installation, self.workers, self.rng, action, breaks=breaks)
        if found is not None and found.chunks:
            self.steps_met[found.step] += 1
        return found

    @property
    def figures_of_steps(self) -> dict[str, int]:
        """How many faults met each step of a chunk, in the order of the steps."""
        return {f"at {aim.step}": self.steps_met[aim.step] for aim in aims_of(self.installation)}

    async def replace_worker(self, worker: Member) -> Member:
        """Starts a worker in place of one that has ended."""
        self.workers.remove(worker)
        return await self.start_worker()

    async def replace_api(self) -> None:
        """Starts an API in place of one that has ended, and directs the load to it."""
        self.api, address = await self.installation.api(self.stack, self.pace)
        self.load.platform = await self.stack.enter_async_context(platform(address, self.classes))

    async def verify(self, within: float) -> None:
        """Waits until all work is done and told, and verifies all promises and all events."""
        await self.listeners.verify(self.load.promises, within)

    def empty_valkey(self) -> None:
        assert tell(self.valkey_server, "FLUSHALL") == "+OK"

    async def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        """Reads rows from the database without a proxy."""
        async with self.installation.adsum.database.snapshot() as connection:
            return (await connection.execute(text(statement), values)).all()

    async def number(self, statement: str, **values: Any) -> int:
        return int((await self.rows(statement, **values))[0][0])


@asynccontextmanager
async def open_testbed(
    seed: int,
    *,
    workers: int = 3,
    pace: dict[str, str] = AS_INSTALLED,
    has_proxies: bool = True,
    is_on_sqlite: bool = False,
    release: Path | None = None,
    **settings: Any,
) -> AsyncGenerator[Testbed]:
    """Opens a testbed whose events are listened to. No requests are sent yet. `settings` may name servers of the part,
    which then starts none of that kind.
    The processes are of `release`, a source tree; None: of this one.
    """
    async with AsyncExitStack() as stack:
        folder, rng = stack.enter_context(short_folder()), random.Random(seed)
        postgres, valkey = None, None
        values: dict[str, Any] = {"database_url": f"sqlite:///{folder}/adsum.db", "secret_key": KEY}
        if not is_on_sqlite and "database_url" not in settings:
            postgres, values["database_url"] = stack.enter_context(controlled_postgres(durable=True))
            await postgres.start()
        if "redis_url" not in settings:
            valkey = stack.enter_context(controlled_valkey())
            await valkey[0].start()
            values["redis_url"] = f"unix://{valkey[1].socket}"
        found = Settings(**(values | settings))
        # A release before this one works on records of one table.
        await (migrate(found) if release is None else with_database(found, schema.migrate))
        installation = await stack.enter_async_context(open_installation(folder, found, has_proxies=has_proxies))
        installation.release = release
        classes = await create_classes(installation, classes=CLASSES)
        api, address = await installation.api(stack, pace)
        load = Load(await stack.enter_async_context(platform(address, classes)), classes.batches())
        listeners = await stack.enter_async_context(
            listening(installation, lambda: load.platform.client, rng, trouble=True)
        )
        testbed = Testbed(installation, stack, rng, classes, load, listeners, postgres, valkey, api, pace)
        for _ in range(workers):
            await testbed.start_worker()
        yield testbed
