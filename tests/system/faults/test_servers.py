"""Valkey restarts, freezes, loses data, refuses commands or is disconnected while classes are marked continuously."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import pytest

from tests.support.servers.controlled import controlled_valkey
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.disruptions import Disruption, Site, under_load
from tests.system.faults.installation import QUICK


async def valkey_killed_and_restarted(site: Site) -> None:
    await site.server.restart()


async def valkey_away_for_a_while(site: Site) -> None:
    await site.server.down()
    await site.more(3)
    await site.server.start()


async def valkey_frozen(site: Site) -> None:
    site.server.send(signal.SIGSTOP)
    await site.more(3)
    site.server.send(signal.SIGCONT)


async def valkey_emptied(site: Site) -> None:
    for _ in range(3):
        site.tell_valkey("FLUSHALL")
        await site.more(3)


async def valkey_without_scripts(site: Site) -> None:
    for _ in range(3):
        site.tell_valkey("SCRIPT FLUSH")
        await site.more(3)


async def valkey_out_of_memory(site: Site) -> None:
    site.tell_valkey("CONFIG SET maxmemory 1")
    await site.more(3)
    site.tell_valkey("CONFIG SET maxmemory 0")


async def valkey_read_only(site: Site) -> None:
    site.tell_valkey("REPLICAOF 127.0.0.1 1")
    await site.more(3)
    site.tell_valkey("REPLICAOF NO ONE")


async def all_connections_to_valkey_cut(site: Site) -> None:
    for _ in range(5):
        await asyncio.gather(site.api.valkey.cut(), site.worker.valkey.cut())
        await site.more(2)


async def a_slow_network(site: Site) -> None:
    site.worker.valkey.delay = site.api.valkey.delay = 0.1
    await site.more(5)
    site.worker.valkey.delay = site.api.valkey.delay = 0.0


VALKEY_DISRUPTIONS: list[Disruption] = [
    valkey_killed_and_restarted,
    valkey_away_for_a_while,
    valkey_frozen,
    valkey_emptied,
    valkey_without_scripts,
    valkey_out_of_memory,
    valkey_read_only,
]
NETWORK_DISRUPTIONS: list[Disruption] = [all_connections_to_valkey_cut, a_slow_network]


@pytest.mark.parametrize("disrupt", VALKEY_DISRUPTIONS, ids=lambda disrupt: disrupt.__name__)
async def test_a_disruption_of_valkey_loses_doubles_or_blocks_nothing(
    disrupt: Disruption, new_installation: NewInstallation, stack: AsyncExitStack
) -> None:
    with controlled_valkey() as (server, valkey):
        await server.start()
        async with (
            new_installation(redis_url=f"unix://{valkey.socket}") as installation,
            under_load(installation, server, valkey) as site,
        ):
            await site.more()
            await site.accumulate_backlog()
            await disrupt(site)
            await installation.worker(stack, QUICK)
            await site.more()


@pytest.mark.parametrize("disrupt", NETWORK_DISRUPTIONS, ids=lambda disrupt: disrupt.__name__)
async def test_a_disruption_of_the_network_loses_doubles_or_blocks_nothing(
    disrupt: Disruption, new_installation: NewInstallation
) -> None:
    async with new_installation() as installation, under_load(installation) as site:
        await site.more()
        await disrupt(site)
        await site.more()
