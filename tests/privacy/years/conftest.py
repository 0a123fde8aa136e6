from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date

import pytest
from sqlalchemy import make_url

from adsum.platform.database.engine import Database, open_database
from adsum.privacy.years.repository import partitioning
from tests.privacy.years.site import Site, site_on
from tests.support.fixtures import ONE_TABLE
from tests.support.servers.postgres import Postgres

SERVING = "serve_years"


@asynccontextmanager
async def serving_on(owned: Database, postgres: Postgres) -> AsyncGenerator[Database]:
    """The database as a user who may read and write its rows, and does not own the tables."""
    async with owned.transaction() as connection:
        for statement in (
            f"CREATE ROLE {SERVING} LOGIN",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVING}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {SERVING}",
        ):
            await connection.exec_driver_sql(statement)
    serving = open_database(serving_url(postgres))
    try:
        yield serving
    finally:
        await serving.close()
        async with owned.transaction() as connection:
            await connection.exec_driver_sql(f"DROP OWNED BY {SERVING}")
            await connection.exec_driver_sql(f"DROP ROLE {SERVING}")


def serving_url(postgres: Postgres) -> str:
    """The URL of that user."""
    return make_url(postgres.url(ONE_TABLE)).set(username=SERVING).render_as_string(hide_password=False)


@pytest.fixture
async def partitioned(unpartitioned: Database) -> Database:
    """A database of Postgres with partitions of the years from August 2024 on."""
    await partitioning(unpartitioned, first_month=8).partition(date(2024, 9, 1))
    return unpartitioned


@pytest.fixture
async def site(database: Database) -> Site:
    return await site_on(database)
