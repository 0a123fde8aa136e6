"""The primary of a Valkey with Sentinels is killed or replaced while classes are marked continuously."""

from __future__ import annotations

import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.support.servers.sentinel import SentinelGroup, sentinel_group
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.disruptions import Site, under_load


@pytest.fixture
async def group() -> AsyncGenerator[SentinelGroup]:
    with sentinel_group() as started:
        await started.start()
        yield started


@asynccontextmanager
async def loaded_site(group: SentinelGroup, new_installation: NewInstallation) -> AsyncGenerator[Site]:
    """An installation on this group, whose classes are marked until the block ends; then every promise is verified."""
    async with (
        new_installation(redis_url=group.url, has_proxies=False) as installation,
        under_load(installation) as site,
    ):
        yield site


async def test_a_killed_primary_loses_doubles_or_blocks_nothing(
    group: SentinelGroup, new_installation: NewInstallation
) -> None:
    async with loaded_site(group, new_installation) as site:
        await site.more()
        primary = group.primary()
        await primary.server.down()
        await site.more()
        await group.failed_over(primary)
        await site.more()
        await primary.server.start()


@pytest.mark.long
async def test_a_replaced_primary_loses_doubles_or_blocks_nothing(
    group: SentinelGroup, new_installation: NewInstallation
) -> None:
    """The old primary lives on: connections to it have to end."""
    async with loaded_site(group, new_installation) as site:
        await site.more()
        await group.replace_primary()
        await site.more()


@pytest.mark.long
async def test_a_primary_that_is_cut_off_loses_doubles_or_blocks_nothing(
    group: SentinelGroup, new_installation: NewInstallation
) -> None:
    """As if its machine were gone: connections to it end only when their time is over."""
    async with loaded_site(group, new_installation) as site:
        await site.more()
        primary = group.primary()
        primary.server.send(signal.SIGSTOP)
        await site.more()
        await group.failed_over(primary)
        await site.more()
        primary.server.send(signal.SIGCONT)
        await site.more()
