"""The ASGI application: what is open while it runs, what every request passes, and where requests go."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from adsum import __version__, wiring
from adsum.errors import AdsumError, NotFound
from adsum.settings import Settings
from adsum.web import (
    absences,
    attendances,
    auth,
    batch_events,
    batches,
    calendar,
    classes,
    contradictions,
    corrections,
    covers,
    create_batch,
    docs,
    marks_import,
    operations,
    registers,
    reports,
    rosters,
    schools,
    sessions,
    sourced_roster,
    student_data,
    students,
    timetables,
)
from adsum.web.body_limit import BodyLimit
from adsum.web.description import Application
from adsum.web.observation import Observation
from adsum.web.pages import (
    batch,
    in_the_house,
    overview,
    record,
    register,
    sign_in,
    start,
    static_files,
    today,
    year,
    year_lists,
)
from adsum.web.pages import batches as batches_page
from adsum.web.pages.admin import roster as admin_roster
from adsum.web.pages.admin import routers as admin
from adsum.web.pages.rendering import open_site
from adsum.web.pages.routing import asks_for_page, refusal_page
from adsum.web.problems import answer_errors, problem_of, problem_of_http
from adsum.web.security_headers import SecurityHeaders

ROUTERS = (
    auth.router,
    operations.router,
    docs.router,
    create_batch.router,
    marks_import.router,
    batches.router,
    batch_events.router,
    attendances.router,
    corrections.router,
    contradictions.router,
    absences.router,
    covers.router,
    classes.router,
    rosters.router,
    sessions.router,
    sourced_roster.router,
    students.router,
    schools.router,
    student_data.router,
    calendar.router,
    timetables.router,
    registers.router,
    reports.router,
)
PAGES = (
    static_files.router,
    sign_in.router,
    start.router,
    today.router,
    register.router,
    overview.router,
    in_the_house.router,
    record.router,
    batches_page.router,
    batch.router,
    *admin.ROUTERS,
    year.router,
    year_lists.router,
)


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings; it opens the database and Redis when it starts, not before."""
    app = Application(
        title="Adsum",
        version=__version__,
        summary="Records the attendance of a whole class in one request: every student exactly once.",
        lifespan=_open_while_running(settings),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.site = open_site()
    for router in (*ROUTERS, *PAGES):
        app.include_router(router)
    answer_errors(app)
    app.add_exception_handler(HTTPStatus.NOT_FOUND, _answer_where_nothing_is)
    # The last one added is the first one passed.
    of_files = ("/rosters/import", admin_roster.PATH, marks_import.PATH)
    imports: dict[str, int] = dict.fromkeys(of_files, settings.max_import_bytes)
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, paths=imports, refuse=_refusal)
    app.add_middleware(Observation)
    app.add_middleware(SecurityHeaders)
    return app


def end_streams(app: FastAPI) -> None:
    """Ends every answer that would go on until its batch ends: the process is about to end."""
    app.state.adsum.progress.stop()


async def _answer_where_nothing_is(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    nothing = NotFound("there is no such page")
    return refusal_page(request, nothing) if asks_for_page(request) else problem_of_http(error)


def _refusal(request: Request, error: AdsumError) -> Response:
    """To somebody's browser a page, to everybody else a problem."""
    return refusal_page(request, error) if asks_for_page(request) else problem_of(error)


def _open_while_running(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with wiring.open_adsum(settings) as adsum:
            app.state.adsum = adsum
            yield

    return lifespan
