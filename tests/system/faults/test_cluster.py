"""A primary of a cluster is killed, replaced or cut off, and slots move, while classes are marked continuously."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from adsum.platform.redis.slots import slot_of
from tests.support.servers.cluster import Cluster, cluster
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.disruptions import Site, under_load


@pytest.fixture
async def group() -> AsyncGenerator[Cluster]:
    with cluster() as started:
        await started.start()
        yield started


@asynccontextmanager
async def loaded_site(group: Cluster, new_installation: NewInstallation) -> AsyncGenerator[Site]:
    """An installation on this cluster, whose classes are marked until the block ends; then promises are verified."""
    async with (
        new_installation(redis_url=group.url, has_proxies=False) as installation,
        under_load(installation) as site,
    ):
        assert len(installation.adsum.shards) == 3
        yield site


def slot_of_shard(site: Site, number: int = 1) -> int:
    return slot_of(site.installation.adsum.shards[number].key_prefix)


async def test_a_killed_primary_loses_doubles_or_blocks_nothing(
    group: Cluster, new_installation: NewInstallation
) -> None:
    async with loaded_site(group, new_installation) as site:
        await site.more()
        slot = slot_of_shard(site)
        primary = group.owner_of(slot)
        await primary.server.down()
        await site.more()
        await group.failed_over(slot, primary)
        await site.more()
        await primary.server.start()


@pytest.mark.long
async def test_a_shard_without_a_server_is_processed_when_it_is_back(
    group: Cluster, new_installation: NewInstallation
) -> None:
    async with loaded_site(group, new_installation) as site:
        await site.more()
        primary = group.owner_of(slot_of_shard(site))
        replica = group.replica_of(primary)
        for each in (replica, primary):
            await each.server.down()
        await site.more(30)
        for each in (primary, replica):
            await each.server.start()
        await site.more()


@pytest.mark.long
async def test_a_replaced_primary_loses_doubles_or_blocks_nothing(
    group: Cluster, new_installation: NewInstallation
) -> None:
    """The old primary lives on: connections to it have to end."""
    async with loaded_site(group, new_installation) as site:
        await site.more()
        await group.replace_owner(slot_of_shard(site))
        await site.more()


@pytest.mark.long
async def test_a_primary_that_is_cut_off_loses_doubles_or_blocks_nothing(
    group: Cluster, new_installation: NewInstallation
) -> None:
    """As if its machine were gone: connections to it end only when their time is over."""
    async with loaded_site(group, new_installation) as site:
        await site.more()
        slot = slot_of_shard(site)
        primary = group.owner_of(slot)
        primary.server.send(signal.SIGSTOP)
        await site.more()
        await group.failed_over(slot, primary)
        await site.more()
        primary.server.send(signal.SIGCONT)
        await site.more()


@pytest.mark.long
@pytest.mark.parametrize("is_at_once", [True, False], ids=["at once", "key by key"])
async def test_a_slot_that_moves_loses_doubles_or_blocks_nothing(
    group: Cluster, new_installation: NewInstallation, is_at_once: bool
) -> None:
    async with loaded_site(group, new_installation) as site:
        await site.more()
        slot = slot_of_shard(site)
        for _ in range(3):
            await (group.move(slot) if is_at_once else group.move_key_by_key(slot))
            await site.more()
