from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from adsum.platform.database.engine import Database, open_database
from tests.support.schools import SchoolIds, make_school
from tests.support.servers.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgres"])
def unmigrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[str]:
    """A database without tables; the test runs once on SQLite and once on Postgres."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/unmigrated.db"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    with postgres.database("adsum_unmigrated") as url:
        yield url


@pytest.fixture
async def unmigrated(unmigrated_url: str) -> AsyncGenerator[Database]:
    """The open database without tables."""
    opened = open_database(unmigrated_url)
    yield opened
    await opened.close()


@pytest.fixture
async def school(unpartitioned: Database) -> SchoolIds:
    async with unpartitioned.transaction() as connection:
        return await make_school(connection)
