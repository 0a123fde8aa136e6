from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date

import pytest

from adsum.platform.database import schema
from adsum.platform.database.engine import Database, open_database
from adsum.privacy.years.repository import partitioning
from tests.privacy.years.site import Site, site_on
from tests.support.servers.postgres import Postgres

NAME = "adsum_years"


@pytest.fixture
async def unpartitioned(postgres: Postgres) -> AsyncGenerator[Database]:
    """A database of Postgres whose records are one table."""
    postgres.run(f"CREATE DATABASE {NAME}")
    database = open_database(postgres.url(NAME))
    try:
        await schema.migrate(database)
        yield database
    finally:
        await database.close()
        postgres.run(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.fixture
async def partitioned(unpartitioned: Database) -> Database:
    """A database of Postgres with partitions of the years from August 2024 on."""
    await partitioning(unpartitioned, first_month=8).partition(date(2024, 9, 1))
    return unpartitioned


@pytest.fixture
async def site(database: Database) -> Site:
    return await site_on(database)
