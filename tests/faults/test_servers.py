"""Valkey restarts, freezes, forgets, refuses or is cut off while classes are marked all the time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from adsum.embedded.valkey import Valkey
from tests.faults.classes import found_classes, platform
from tests.faults.conftest import NewHouse
from tests.faults.house import QUICK, House, Member
from tests.faults.load import Load, steady
from tests.faults.oracle import judge
from tests.servers.controlled import Controlled, controlled_valkey
from tests.servers.valkey import tell
from tests.waiting import until

WITHIN_S = 30.0


@dataclass
class Site:
    """A house under load, with servers of its own to harm."""

    house: House
    api: Member
    worker: Member
    valkey: Valkey
    server: Controlled | None
    load: Load

    @property
    def running(self) -> Controlled:
        assert self.server is not None
        return self.server

    def tell(self, command: str) -> None:
        assert tell(self.valkey, command).startswith("+")

    async def let_work_pile_up(self) -> None:
        """Kills the worker, so that there is work in the queue when the blow falls."""
        self.worker.kill()
        await self.more(4)
        assert await self.open_runs() >= 4

    async def open_runs(self) -> int:
        async with self.house.adsum.database.snapshot() as connection:
            return (await connection.execute(text("SELECT count(*) FROM batch_runs WHERE state = 'open'"))).scalar_one()

    async def more(self, number: int = 10) -> None:
        """Waits until so many more classes were accepted."""
        goal = len(self.load.accepted) + number

        async def accepted() -> bool:
            return len(self.load.accepted) >= goal

        await until(accepted)


Harm = Callable[[Site], Awaitable[None]]


async def valkey_killed_and_restarted(site: Site) -> None:
    await site.running.restart()


async def valkey_away_for_a_while(site: Site) -> None:
    await site.running.down()
    await site.more(3)
    await site.running.start()


async def valkey_frozen(site: Site) -> None:
    site.running.send(signal.SIGSTOP)
    await site.more(3)
    site.running.send(signal.SIGCONT)


async def valkey_emptied(site: Site) -> None:
    for _ in range(3):
        site.tell("FLUSHALL")
        await site.more(3)


async def valkey_without_scripts(site: Site) -> None:
    for _ in range(3):
        site.tell("SCRIPT FLUSH")
        await site.more(3)


async def valkey_out_of_memory(site: Site) -> None:
    site.tell("CONFIG SET maxmemory 1")
    await site.more(3)
    site.tell("CONFIG SET maxmemory 0")


async def valkey_read_only(site: Site) -> None:
    site.tell("REPLICAOF 127.0.0.1 1")
    await site.more(3)
    site.tell("REPLICAOF NO ONE")


async def all_connections_to_valkey_cut(site: Site) -> None:
    for _ in range(5):
        await asyncio.gather(site.api.valkey.cut(), site.worker.valkey.cut())
        await site.more(2)


async def a_slow_network(site: Site) -> None:
    site.worker.valkey.delay = site.api.valkey.delay = 0.1
    await site.more(5)
    site.worker.valkey.delay = site.api.valkey.delay = 0.0


HARMS: list[Harm] = [
    valkey_killed_and_restarted,
    valkey_away_for_a_while,
    valkey_frozen,
    valkey_emptied,
    valkey_without_scripts,
    valkey_out_of_memory,
    valkey_read_only,
]
HARMS_OF_THE_NETWORK: list[Harm] = [all_connections_to_valkey_cut, a_slow_network]


@pytest.mark.parametrize("harm", HARMS, ids=lambda harm: harm.__name__)
async def test_nothing_is_lost_doubled_or_stuck_after(harm: Harm, new_house: NewHouse, stack: AsyncExitStack) -> None:
    with controlled_valkey() as (server, valkey):
        await server.start()
        async with new_house(redis_url=f"unix://{valkey.socket}") as house, under_load(house, valkey, server) as site:
            await site.more()
            await site.let_work_pile_up()
            await harm(site)
            await house.worker(stack, QUICK)
            await site.more()


@pytest.mark.parametrize("harm", HARMS_OF_THE_NETWORK, ids=lambda harm: harm.__name__)
async def test_nothing_is_lost_doubled_or_stuck_in(harm: Harm, new_house: NewHouse, valkey: Valkey) -> None:
    async with new_house() as house, under_load(house, valkey, None) as site:
        await site.more()
        await harm(site)
        await site.more()


@asynccontextmanager
async def under_load(house: House, valkey: Valkey, server: Controlled | None) -> AsyncGenerator[Site]:
    """Classes are marked until the block ends; then every request that was begun is answered, and the oracle asked."""
    async with AsyncExitStack() as stack:
        classes = await found_classes(house, classes=4)
        api, address = await house.api(stack)
        worker = await house.worker(stack, QUICK)
        load = Load(await stack.enter_async_context(platform(address, classes)), classes.batches())
        async with steady(load):
            yield Site(house, api, worker, valkey, server, load)
        await judge(house, load.promises, within=WITHIN_S)
