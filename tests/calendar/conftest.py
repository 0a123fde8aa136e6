"""What the tests of calendars share: a school of one class with three students, asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from adsum.wiring import Adsum
from tests.batches.api import Api, opened_api
from tests.batches.conftest import adsum, redis, settings, worker
from tests.schools import make_school

__all__ = ["adsum", "redis", "settings", "worker"]


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
