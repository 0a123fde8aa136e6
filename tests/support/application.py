"""The application in the test's own process. Its routes are the same for all tests, and are built once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import cache

from fastapi import FastAPI

from adsum import wiring
from adsum.app import attach, create_app
from adsum.platform.settings import Settings

Build = Callable[[Settings], FastAPI]


@asynccontextmanager
async def running_app(settings: Settings, build: Build = create_app) -> AsyncGenerator[FastAPI]:
    """The application between its start and its end, on the servers of these settings.

    FastAPI works out what a route asks for when it is first met, and 100 of them take longer than most tests. All that
    an application keeps from one test to the next are its routes; what it opens is opened and closed here.
    """
    idle = _idle(build, settings.max_body_bytes, settings.max_import_bytes)
    app = idle.pop() if idle else build(settings)
    async with wiring.open_adsum(settings) as adsum:
        attach(app, adsum)
        yield app
    idle.append(app)


@cache
def _idle(_build: Build, *_limits: int) -> list[FastAPI]:
    """Those that nobody uses now, of one kind."""
    return []
