"""The primary of Postgres is killed, and its synchronous standby promoted, while classes are marked continuously."""

from __future__ import annotations

from pathlib import Path

import pytest

from adsum.platform.settings import Settings
from tests.support.fixtures import TEMPLATE
from tests.support.servers.standby import standby_pair
from tests.system.faults.conftest import KEY
from tests.system.faults.disruptions import under_load
from tests.system.faults.installation import open_installation


@pytest.mark.long
async def test_a_promoted_standby_has_every_batch_that_was_accepted(
    postgres_data: Path, redis_url: str, tmp_path: Path
) -> None:
    with standby_pair(postgres_data, TEMPLATE) as pair:
        await pair.start()
        settings = Settings(database_url=pair.url, redis_url=redis_url, secret_key=KEY)  # pyright: ignore[reportArgumentType]
        async with (
            open_installation(tmp_path, settings, has_proxies=False) as installation,
            under_load(installation) as site,
        ):
            await site.more()
            await pair.primary.server.down()
            await site.refused()
            await pair.promote()
            await site.more()
            await pair.rejoin()
            await site.more()
