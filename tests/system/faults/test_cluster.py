"""A shard of a cluster has no server, and slots move, while classes are marked continuously."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.support.servers.cluster import Cluster, cluster
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.disruptions import loaded_site, slot_of_shard

pytestmark = pytest.mark.long


@pytest.fixture
async def group() -> AsyncGenerator[Cluster]:
    with cluster() as started:
        await started.start()
        yield started


async def test_a_shard_without_a_server_is_processed_when_it_is_back(
    group: Cluster, new_installation: NewInstallation
) -> None:
    async with loaded_site(group.url, new_installation) as site:
        await site.more()
        primary = group.owner_of(slot_of_shard(site))
        replica = group.replica_of(primary)
        for each in (replica, primary):
            await each.server.down()
        await site.more(30)
        for each in (primary, replica):
            await each.server.start()
        await site.more()


@pytest.mark.parametrize("is_at_once", [True, False], ids=["at once", "key by key"])
async def test_a_slot_that_moves_loses_doubles_or_blocks_nothing(
    group: Cluster, new_installation: NewInstallation, is_at_once: bool
) -> None:
    async with loaded_site(group.url, new_installation) as site:
        await site.more()
        slot = slot_of_shard(site)
        for _ in range(3):
            await (group.move(slot) if is_at_once else group.move_key_by_key(slot))
            await site.more()
