"""Events are delivered and shown as promised although processes and servers fail while they number and deliver."""

from __future__ import annotations

import asyncio

from tests.support.servers.controlled import controlled_valkey
from tests.support.servers.counting import Fault, Moment
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.disruptions import under_load
from tests.system.faults.installation import NUMBERING, STORING
from tests.system.faults.receivers import Behaviour

MET_S = 15.0


async def test_workers_that_die_while_they_number_and_deliver_lose_no_event(
    new_installation: NewInstallation, share: int
) -> None:
    """On SQLite, which has no proxy, they die when the receiver has an event and its sender does not know yet."""
    steps = [(statement, moment) for statement in (NUMBERING, STORING, "COMMIT") for moment in Moment][::share]
    async with new_installation() as installation, under_load(installation) as site:
        await site.more()
        for statement, moment in steps if installation.is_on_postgres else []:
            fault = Fault(1, moment, site.worker.kill, named=statement)
            site.worker.postgres.arm(fault)
            await asyncio.wait_for(fault.injected.wait(), MET_S)
            await site.replace_worker()
        for _ in range(2):
            await site.listeners.receiver.interrupt(site.worker.kill)
            await site.replace_worker()
        await site.more()


async def test_a_delivery_whose_message_valkey_loses_is_made(new_installation: NewInstallation) -> None:
    with controlled_valkey() as (server, valkey):
        await server.start()
        async with (
            new_installation(redis_url=f"unix://{valkey.socket}") as installation,
            under_load(installation, server, valkey) as site,
        ):
            receiver = site.listeners.receiver
            for _ in range(3):
                await receiver.interrupt(lambda: site.tell_valkey("FLUSHALL"))
                await site.more(3)
            await receiver.behave(Behaviour.DEAD)
            await site.more(3)
            site.tell_valkey("FLUSHALL")
