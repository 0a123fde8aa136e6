"""What the tests of the storage share: an open database of each kind, with a school in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from adsum.platform.database.engine import Database, open_database
from tests.schools import SchoolIds, make_school


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """The test runs once on SQLite and once on Postgres."""
    opened = open_database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncGenerator[Database]:
    opened = open_database(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        return await make_school(connection, students=4)


@pytest.fixture
async def postgres_school(postgres_database: Database) -> SchoolIds:
    async with postgres_database.transaction() as connection:
        return await make_school(connection, students=4)
