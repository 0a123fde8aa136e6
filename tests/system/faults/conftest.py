"""Fixtures of the fault tests: installations with data of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adsum.platform.settings import Settings
from tests.support.fixtures import NewDatabase
from tests.support.servers.processes import short_folder
from tests.system.faults.house import KEY, House, opened_house

NewHouse = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def new_house(new_database: NewDatabase, redis_url: str) -> NewHouse:
    """Opens houses side by side, each with a database and a key prefix of its own; on SQLite, then on Postgres."""
    number = 0

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncGenerator[House]:
        nonlocal number
        number += 1
        with short_folder() as folder:
            chosen: dict[str, Any] = {
                "database_url": new_database(),
                "redis_url": redis_url,
                "secret_key": KEY,
                "key_prefix": f"house{number}:",
                "sweep_interval": 0.1,
                "sweep_grace": 0.2,
            }
            async with opened_house(Path(folder), Settings(**(chosen | settings))) as house:
                yield house

    return opened


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened
