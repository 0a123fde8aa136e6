"""The application in the test's process. Its routes are built once for all tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx2
from fastapi import FastAPI
from jinja2 import Environment

from adsum import wiring
from adsum.app import attach, create_app
from adsum.platform.clock import Clock, system_clock
from adsum.platform.pages.rendering import Site
from adsum.platform.settings import Settings
from tests.support.documented import Answer, ProblemCodes, codes

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing

Build = Callable[[Settings], FastAPI]

_TEMPLATES: dict[str, Environment] = {}


@asynccontextmanager
async def running_app(
    settings: Settings, build: Build = create_app, now: Clock = system_clock, tracing: Tracing | None = None
) -> AsyncGenerator[FastAPI]:
    """Runs the application from startup to shutdown on the servers of these settings.

    To analyse 100 routes takes longer than most tests. An application keeps only its routes between tests; connections
    are opened and closed here.
    """
    idle = _idle_for(build, settings)
    app = idle.pop() if idle else _built(build, settings)
    async with wiring.open_adsum(settings, now, tracing) as adsum:
        attach(app, adsum)
        yield app
    idle.append(app)
    undocumented: set[Answer] = app.state.undocumented
    found = sorted(undocumented)
    undocumented.clear()
    assert found == [], f"declare these errors at their endpoints, with `responses=raises(…)`: {found}"


def prepare_applications(*builds: Build) -> None:
    """Builds an application of each kind, its routes and its templates in every language, for all processes that are
    forked afterwards.
    """
    settings = Settings.model_construct()
    for build in builds:
        app = _built(build, settings)
        asyncio.run(_request_no_route(app))
        _idle_for(build, settings).append(app)
        site: Site = app.state.site
        for language in site.languages.values():
            templates = site.environment(language)
            for name in templates.list_templates():
                templates.get_template(name)
    codes()


def _built(build: Build, settings: Settings) -> FastAPI:
    """An application that notes the codes of its answers, and renders the templates of all others."""
    app = build(settings)
    site: Site = app.state.site
    app.state.site = replace(site, _environments=_TEMPLATES)
    app.state.undocumented = set[Answer]()
    app.add_middleware(ProblemCodes, undocumented=app.state.undocumented)
    return app


async def _request_no_route(app: FastAPI) -> None:
    """FastAPI analyses a route when it is first compared with a request."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.test") as client:
        assert (await client.get("/no/such/route")).status_code == HTTPStatus.NOT_FOUND


def _idle_for(build: Build, settings: Settings) -> list[FastAPI]:
    reads_standby = settings.database_read_url is not None
    return _idle(build, settings.max_body_bytes, settings.max_import_bytes, settings.hsts_subdomains, reads_standby)


@cache
def _idle(_build: Build, *_settings: int) -> list[FastAPI]:
    """Returns the unused applications of one kind."""
    return []
