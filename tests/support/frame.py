"""Fixtures for the HTTP code of all endpoints: the whole application with a few test endpoints, called over ASGI."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI
from pydantic import Field, SecretStr

from adsum.accounts.access import Caller, Permission, Role
from adsum.accounts.authentication import require
from adsum.app import create_app
from adsum.platform import errors
from adsum.platform.errors import Violation
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import Flag, Id, PathId, PlainText, SentSchema
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.support.application import running_app
from tests.support.schools import make_user

SECRET = "s" * 40
NOBODY_LISTENS = "redis://127.0.0.1:1/0"


class Echo(SentSchema):
    """A body with one field of each kind."""

    class_id: Id
    student_ids: Annotated[list[Id], Field(max_length=100_000)] = []
    is_all: Flag = False
    note: Annotated[PlainText, Field(max_length=20)] | None = None
    mode: Permission | None = None
    marks: Sequence[Id] = ()
    day: Day = date(2024, 12, 25)


class Deaf(errors.Unavailable):
    code = "deaf"


def trial_router(failures: dict[str, Exception]) -> APIRouter:
    """Returns endpoints that echo, require a permission, or raise a given error."""
    router = APIRouter(prefix="/trial", route_class=JsonRoute)

    @router.post("/echo/{class_id}")
    async def echo(class_id: PathId, body: Echo, limit: Annotated[int, Field(le=100)] = 50) -> Echo:
        return body.model_copy(update={"note": f"{class_id} {limit}"})

    @router.get("/marks")
    async def marks(caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))]) -> dict[str, Any]:
        return {"role": caller.role, "schools": caller.schools}

    @router.get("/failures/{name}")
    async def fail(name: str) -> None:
        raise failures[name]

    return router


FAILURES: dict[str, Exception] = {
    "malformed": errors.Malformed("unreadable"),
    "unauthenticated": errors.Unauthenticated("who?"),
    "forbidden": errors.Forbidden("no"),
    "not_found": errors.NotFound("nowhere"),
    "roster_changed": errors.RosterChanged("another roster", joined=[7], left=[8]),
    "records_exist": errors.RecordsExist("there are records"),
    "too_large": errors.TooLarge("too much"),
    "invalid": errors.Invalid("two things", [Violation("a", "first", "/x/1", {"id": 1}), Violation("b", "second")]),
    "rate_limited": errors.RateLimited("too many requests", retryAfter=7),
    "deaf": Deaf("not now"),
    "wrong_configuration": errors.ConfigurationError("password=hunter2"),
    "surprise": ValueError("Ada Byron was absent"),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """The application, and a client that sends requests to it."""

    app: FastAPI
    client: httpx2.AsyncClient

    @property
    def adsum(self) -> Adsum:
        opened = self.app.state.adsum
        assert isinstance(opened, Adsum)
        return opened

    async def token(self, role: Role, school_id: int | None = None) -> str:
        """Returns a token of a new user in this role."""
        email = f"{role}{school_id or ''}@school.example"
        async with self.adsum.database.transaction() as connection:
            await make_user(connection, role, school_id, email=email, password_hash="-")
        return (await self.adsum.tokens.create(email)).text


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Frame]:
    """Runs the application with the test endpoints."""
    async with running_app(settings, on_trial) as app:
        transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://adsum.example") as client:
            yield Frame(app, client)


def on_trial(settings: Settings) -> FastAPI:
    app = create_app(settings)
    app.include_router(trial_router(FAILURES))
    return app


@pytest.fixture
async def full_frame(database_url: str, redis_url: str) -> AsyncGenerator[Frame]:
    """The application with a database, on SQLite and on Postgres, and Redis."""
    settings = Settings(database_url=database_url, redis_url=redis_url, secret_key=SecretStr(SECRET))
    async with running(settings) as opened:
        yield opened


@pytest.fixture
async def frame(sqlite_url: str) -> AsyncGenerator[Frame]:
    """The application for requests that need no server."""
    settings = Settings(database_url=sqlite_url, redis_url=NOBODY_LISTENS, secret_key=SecretStr(SECRET))
    async with running(settings) as opened:
        yield opened
