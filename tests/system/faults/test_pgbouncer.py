"""Classes are marked continuously through PgBouncer in transaction mode, which is killed and started again."""

from __future__ import annotations

from pathlib import Path

import pytest

from adsum.platform.settings import Settings
from tests.support.fixtures import NewDatabase
from tests.support.servers.pgbouncer import controlled_pgbouncer, needs_pgbouncer
from tests.support.servers.postgres import Postgres
from tests.system.faults.conftest import KEY
from tests.system.faults.disruptions import under_load
from tests.system.faults.installation import open_installation


@pytest.mark.long
@needs_pgbouncer
async def test_classes_are_marked_through_a_pooler_that_is_killed(
    postgres: Postgres, new_postgres_database: NewDatabase, redis_url: str, tmp_path: Path
) -> None:
    """Fewer connections to Postgres than processes use: they take turns."""
    url = new_postgres_database()
    async with controlled_pgbouncer(postgres, connections=2) as (pooler, server):
        settings = Settings(database_url=pooler.url(url), redis_url=redis_url, secret_key=KEY)  # pyright: ignore[reportArgumentType]
        async with (
            open_installation(tmp_path, settings, has_proxies=False) as installation,
            under_load(installation) as site,
        ):
            assert await installation.adsum.database.is_pooled()
            await site.more(30)
            await server.down()
            await site.refused()
            await server.start()
            await site.more()
