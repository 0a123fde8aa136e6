"""A provider on loopback, and the application with it, visited as by a browser."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from adsum.accounts.access import Role
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.support.application import running_app
from tests.support.providers.strict import Faults, StrictProvider, strict_provider
from tests.support.schools import make_bare_school, make_user

SITE = "http://adsum.test"
CALLBACK = f"{SITE}/sign-in/strict/callback"
EMAIL = "teacher@school.example"
FOR_BROWSERS = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "User-Agent": "Firefox/140"}


@pytest.fixture(scope="session")
def running_provider() -> Generator[StrictProvider]:
    with strict_provider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: StrictProvider) -> StrictProvider:
    """The provider without faults. It knows the redirect URI of `SITE`."""
    fresh = StrictProvider(issuer=running_provider.issuer, redirect_uris={CALLBACK})
    for name, value in vars(fresh).items():
        setattr(running_provider, name, value)
    running_provider.faults = Faults()
    return running_provider


@dataclass
class Visit:
    """One browser that visits the application."""

    client: httpx2.AsyncClient
    app: FastAPI
    provider: StrictProvider

    @property
    def adsum(self) -> Adsum:
        return self.app.state.adsum

    async def open(self, path: str, **options: Any) -> httpx2.Response:
        return await self.client.get(path, headers=FOR_BROWSERS, **options)

    async def begin(self, path: str = "/sign-in/strict?next=/today") -> str:
        """Begins to sign in. Returns the address at the provider."""
        answer = await self.open(path)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    async def approve(self, address: str) -> str:
        """Signs in at the provider. Returns the address to which it redirects."""
        async with httpx2.AsyncClient() as client:
            answer = await client.get(address)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    async def sign_in(self, path: str = "/sign-in/strict?next=/today") -> httpx2.Response:
        """The whole visit. Returns the answer of the callback."""
        return await self.open(await self.approve(await self.begin(path)))

    async def is_signed_in(self) -> bool:
        return (await self.open("/account/sign-ins")).status_code == 200

    async def user(self, email: str = EMAIL, role: Role = Role.TEACHER, **columns: Any) -> int:
        async with self.adsum.database.transaction() as connection:
            school_id = None if role is Role.ADMIN else await make_bare_school(connection)
            return await make_user(connection, role, school_id, email=email, password_hash="-", **columns)


@asynccontextmanager
async def visiting(settings: Settings, provider: StrictProvider) -> AsyncGenerator[Visit]:
    async with running_app(settings) as app, browser(app) as client:
        yield Visit(client, app, provider)


def browser(app: FastAPI, address: str = "127.0.0.1") -> httpx2.AsyncClient:
    """Another browser: it has no cookies yet."""
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app, client=(address, 1)), base_url=SITE)


def settings_with(database_url: str, redis_url: str, *providers: dict[str, Any], **changed: Any) -> Settings:
    given: Any = {"database_url": database_url, "redis_url": redis_url, "secret_key": "s" * 40}
    given |= {"public_url": SITE, "oidc_providers": json.dumps(providers)}
    return Settings(**(given | changed))


@pytest.fixture
async def visit(sqlite_url: str, redis_url: str, provider: StrictProvider) -> AsyncGenerator[Visit]:
    """On SQLite alone: for what happens before the database is asked."""
    async with visiting(settings_with(sqlite_url, redis_url, provider.settings()), provider) as opened:
        yield opened


@pytest.fixture
async def visit_on_each(database_url: str, redis_url: str, provider: StrictProvider) -> AsyncGenerator[Visit]:
    async with visiting(settings_with(database_url, redis_url, provider.settings()), provider) as opened:
        yield opened
