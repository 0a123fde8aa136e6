"""A primary of Valkey, with Sentinels or in a cluster, is killed, replaced or cut off while classes are marked."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.support.servers.cluster import Cluster, cluster
from tests.support.servers.sentinel import SentinelGroup, sentinel_group
from tests.support.servers.valkey_nodes import ValkeyNode
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.disruptions import Site, loaded_site, slot_of_shard

with_sentinels_and_in_a_cluster = pytest.mark.parametrize("kind", ["sentinels", "cluster"])


@dataclass(frozen=True)
class OneShard:
    """The servers of one shard of a cluster, with the methods of a group with Sentinels."""

    cluster: Cluster
    slot: int

    def primary(self) -> ValkeyNode:
        return self.cluster.owner_of(self.slot)

    async def failed_over(self, old: ValkeyNode) -> None:
        await self.cluster.failed_over(self.slot, old)

    async def replace_primary(self) -> None:
        await self.cluster.replace_owner(self.slot)


@asynccontextmanager
async def disturbed_site(
    kind: str, new_installation: NewInstallation
) -> AsyncGenerator[tuple[Site, SentinelGroup | OneShard]]:
    with sentinel_group() if kind == "sentinels" else cluster() as servers:
        await servers.start()
        async with loaded_site(servers.url, new_installation) as site:
            yield site, servers if isinstance(servers, SentinelGroup) else OneShard(servers, slot_of_shard(site))


@with_sentinels_and_in_a_cluster
async def test_a_killed_primary_loses_doubles_or_blocks_nothing(kind: str, new_installation: NewInstallation) -> None:
    async with disturbed_site(kind, new_installation) as (site, servers):
        await site.more()
        primary = servers.primary()
        await primary.server.down()
        await site.more()
        await servers.failed_over(primary)
        await site.more()
        await primary.server.start()


@pytest.mark.long
@with_sentinels_and_in_a_cluster
async def test_a_replaced_primary_loses_doubles_or_blocks_nothing(kind: str, new_installation: NewInstallation) -> None:
    """The old primary lives on: connections to it have to end."""
    async with disturbed_site(kind, new_installation) as (site, servers):
        await site.more()
        await servers.replace_primary()
        await site.more()


@pytest.mark.long
@with_sentinels_and_in_a_cluster
async def test_a_primary_that_is_cut_off_loses_doubles_or_blocks_nothing(
    kind: str, new_installation: NewInstallation
) -> None:
    """As if its machine were gone: connections to it end only when their time is over."""
    async with disturbed_site(kind, new_installation) as (site, servers):
        await site.more()
        primary = servers.primary()
        primary.server.send(signal.SIGSTOP)
        await site.more()
        await servers.failed_over(primary)
        await site.more()
        primary.server.send(signal.SIGCONT)
        await site.more()
