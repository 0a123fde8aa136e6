"""Fixtures of the fault tests: installations, each with its own data."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adsum.platform.settings import Settings
from tests.support.fixtures import NewDatabase
from tests.support.servers.processes import short_folder
from tests.system.faults.installation import KEY, Installation, open_installation

NewInstallation = Callable[..., AbstractAsyncContextManager[Installation]]


@pytest.fixture
def new_installation(new_database: NewDatabase, redis_url: str) -> NewInstallation:
    """Opens installations, each with its own database and key prefix. The test runs on SQLite and on Postgres."""
    number = 0

    @asynccontextmanager
    async def opened(*, has_proxies: bool = True, **settings: Any) -> AsyncGenerator[Installation]:
        nonlocal number
        number += 1
        with short_folder() as folder:
            chosen: dict[str, Any] = {
                "database_url": new_database(),
                "redis_url": redis_url,
                "secret_key": KEY,
                "key_prefix": f"installation{number}:",
                "sweep_interval": 0.1,
                "sweep_grace": 0.2,
            }
            found = Settings(**(chosen | settings))
            async with open_installation(Path(folder), found, has_proxies=has_proxies) as installation:
                yield installation

    return opened


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened
