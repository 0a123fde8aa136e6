"""Services on an open database, and an HTTP client of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2
import pytest
from pydantic import SecretStr

from adsum.accounts.access import Role
from adsum.attendance.service import Records
from adsum.platform.database import reading
from adsum.platform.database.engine import Database
from adsum.platform.settings import Settings
from adsum.registers.day_roster import DayRosters
from adsum.roster.service import Directory
from adsum.wiring import Adsum
from tests.support.application import running_app
from tests.support.schools import make_user

NOON_OF_THE_25TH = datetime(2024, 12, 25, 12, tzinfo=UTC)


@pytest.fixture
def directory(database: Database) -> Directory:
    """The directory on Christmas Day 2024, at noon in UTC."""
    return Directory(database, reading.StandbyReader(database), lambda: NOON_OF_THE_25TH)


@pytest.fixture
def day_rosters(database: Database) -> DayRosters:
    return DayRosters(database, lambda: NOON_OF_THE_25TH)


@pytest.fixture
def records(database: Database) -> Records:
    return Records(database, reading.StandbyReader(database))


@dataclass(frozen=True, slots=True)
class Reader:
    """The whole application over HTTP, with the token of the last user who signed in."""

    adsum: Adsum
    client: httpx2.AsyncClient

    async def sign_in(self, role: Role, school_id: int | None = None) -> int:
        """Sends all later requests as a new user in this role. Returns the user's id."""
        email = f"{role}-{school_id or 'all'}@school.example"
        async with self.adsum.database.transaction() as connection:
            user_id = await make_user(connection, role, school_id, email=email, password_hash="-")
        token = await self.adsum.tokens.create(email)
        self.client.headers["Authorization"] = f"Bearer {token.text}"
        return user_id

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=headers)


@pytest.fixture
async def reader(database_url: str, redis_url: str) -> AsyncGenerator[Reader]:
    settings = Settings(database_url=database_url, redis_url=redis_url, secret_key=SecretStr("k" * 40))
    async with (
        running_app(settings) as app,
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.example") as client,
    ):
        yield Reader(app.state.adsum, client)
