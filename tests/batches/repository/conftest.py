"""Fixtures for tests of the repository: an open database of each kind, with a school."""

from __future__ import annotations

import pytest

from adsum.platform.database.engine import Database
from tests.support.schools import SchoolIds, make_school


@pytest.fixture
async def school(database: Database) -> SchoolIds:
    async with database.transaction() as connection:
        return await make_school(connection, students=4)


@pytest.fixture
async def postgres_school(postgres_database: Database) -> SchoolIds:
    async with postgres_database.transaction() as connection:
        return await make_school(connection, students=4)
