"""The application behind HTTPS."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from pydantic import SecretStr

from adsum.accounts.access import Role
from adsum.platform.settings import Settings
from tests.accounts.second_factors.visits import EMAIL, PASSWORD, SITE
from tests.support.frame import NOBODY_LISTENS, SECRET, Frame, running


@pytest.fixture
async def secure(sqlite_url: str) -> AsyncGenerator[Frame]:
    """The application behind HTTPS at an address with a name."""
    settings = Settings(
        database_url=sqlite_url,
        redis_url=NOBODY_LISTENS,
        secret_key=SecretStr(SECRET),
        public_url=SITE,
        second_factor_roles="office",
    )
    async with running(settings) as opened:
        await opened.adsum.accounts.add_user(EMAIL, Role.ADMIN, password=PASSWORD)
        yield opened
