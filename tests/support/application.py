"""The application in the test's process. Its routes are built once for all tests."""

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
    """Runs the application from startup to shutdown on the servers of these settings.

    FastAPI analyses each route when it is added, and 100 routes take longer than most tests. An application keeps only
    its routes between tests; connections are opened and closed here.
    """
    idle = _idle(build, settings.max_body_bytes, settings.max_import_bytes, settings.hsts_subdomains)
    app = idle.pop() if idle else build(settings)
    async with wiring.open_adsum(settings) as adsum:
        attach(app, adsum)
        yield app
    idle.append(app)


@cache
def _idle(_build: Build, *_settings: int) -> list[FastAPI]:
    """Returns the unused applications of one kind."""
    return []
