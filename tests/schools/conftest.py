"""Fixtures for tests of schools: one class with three students behind the HTTP API."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from adsum.wiring import Adsum
from tests.support.api import Api, opened_api
from tests.support.schools import make_school


@pytest.fixture
async def api(adsum: Adsum) -> AsyncGenerator[Api]:
    async with adsum.database.transaction() as connection:
        school = await make_school(connection)
    async with opened_api(adsum, school) as opened:
        yield opened


@pytest.fixture
def calendar(api: Api) -> str:
    """The path of the school."""
    return f"/schools/{api.school.school_id}"
