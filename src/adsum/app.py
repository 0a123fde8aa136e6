"""The ASGI application: its routers, its middleware, and the services that it opens."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI, Request, Response

from adsum import __version__, wiring
from adsum.absences import endpoints as absences
from adsum.absences import pages as planned_absences
from adsum.absences.contacts import endpoints as contacts
from adsum.absences.contacts import pages as call_list
from adsum.accounts import endpoints as auth
from adsum.accounts import pages as sign_in
from adsum.accounts.authentication import ERRORS_OF_CALLERS, SCHEMES
from adsum.accounts.confirming import pages as confirming
from adsum.accounts.kept_words import pages as list_searches
from adsum.accounts.key_management import endpoints as keys
from adsum.accounts.key_management import pages as key_pages
from adsum.accounts.own_factors import endpoints as second_factors
from adsum.accounts.own_factors import pages as own_factors
from adsum.accounts.profile import endpoints as profiles
from adsum.accounts.profile import pages as profile_pages
from adsum.accounts.second_step import pages as second_step
from adsum.accounts.single_sign_on import pages as single_sign_on
from adsum.attendance import endpoints as attendances
from adsum.attendance import pages as record
from adsum.attendance.disputed_marks import endpoints as disputed_marks
from adsum.attendance.statuses import endpoints as statuses
from adsum.attendance.statuses import pages as status_pages
from adsum.batches import endpoints as batches
from adsum.batches import pages as batch_pages
from adsum.batches.marks_import import endpoints as marks_import
from adsum.batches.marks_import import pages as marks_pages
from adsum.events import endpoints as events
from adsum.events.webhooks import endpoints as webhooks
from adsum.events.webhooks import pages as webhook_pages
from adsum.operations import endpoints as operations
from adsum.operations.audit import endpoints as audit
from adsum.operations.audit import pages as audit_pages
from adsum.operations.setup import endpoints as setup
from adsum.operations.setup import pages as schools_admin
from adsum.platform.database.engine import StorageOutage
from adsum.platform.errors import AdsumError
from adsum.platform.http import openapi as docs
from adsum.platform.http.guarded_routes import describe_schemes, keep_fixed_paths
from adsum.platform.http.idempotency import answer_repetitions
from adsum.platform.http.middleware import BodyLimit, Observation, SecurityHeaders
from adsum.platform.http.openapi import Application
from adsum.platform.http.problems import answer_errors, problem_of
from adsum.platform.http.query_names import NamesByRoute
from adsum.platform.http.recency import Recency
from adsum.platform.http.refusals import note_refusal
from adsum.platform.pages import static_files
from adsum.platform.pages.rendering import open_site
from adsum.platform.pages.routing import failure_of, page_of_error
from adsum.platform.settings import Settings
from adsum.platform.tracing.exporting import exporting, exporting_metrics
from adsum.privacy import endpoints as student_data
from adsum.privacy.holds import endpoints as holds
from adsum.privacy.merging import endpoints as student_merges
from adsum.privacy.merging import pages as student_merge_pages
from adsum.privacy.retention import endpoints as retention
from adsum.privacy.retention import pages as retention_pages
from adsum.privacy.staff import endpoints as staff_erasure
from adsum.privacy.staff import pages as staff_erasure_pages
from adsum.registers import endpoints as registers
from adsum.registers import pages as today
from adsum.registers.desk import endpoints as desk
from adsum.registers.desk import pages as desk_pages
from adsum.registers.on_site import pages as on_site
from adsum.registers.order import pages as register_order
from adsum.registers.overview import pages as overview
from adsum.registers.reminders import endpoints as reminders
from adsum.registers.sheets import pages as register
from adsum.reports import endpoints as reports
from adsum.reports import pages as year
from adsum.reports.student import pages as student_pages
from adsum.reports.unexplained import pages as unexplained_pages
from adsum.roster import endpoints as roster
from adsum.roster.by_source import endpoints as sourced_roster
from adsum.roster.covers import endpoints as covers
from adsum.roster.covers import pages as cover_pages
from adsum.roster.covers.by_teacher import endpoints as teachers_away
from adsum.roster.covers.by_teacher import pages as away_pages
from adsum.roster.importing import endpoints as rosters
from adsum.roster.importing import pages as roster_files
from adsum.roster.people import endpoints as users
from adsum.roster.people import pages as people
from adsum.roster.search import endpoints as search
from adsum.roster.search import pages as search_pages
from adsum.roster.student_contacts import endpoints as student_contacts
from adsum.roster.timetable import endpoints as timetables
from adsum.roster.timetable import pages as timetable_pages
from adsum.schools import endpoints as schools
from adsum.schools.calendar import endpoints as calendar
from adsum.schools.calendar import pages as calendar_pages

ROUTERS = (
    batches.router,
    auth.router,
    profiles.router,
    second_factors.router,
    keys.router,
    operations.router,
    docs.router,
    marks_import.router,
    attendances.router,
    disputed_marks.router,
    absences.router,
    contacts.router,
    teachers_away.router,
    covers.router,
    roster.router,
    search.router,
    student_contacts.router,
    rosters.router,
    sourced_roster.router,
    schools.router,
    setup.router,
    statuses.router,
    student_data.router,
    student_data.schools_router,
    student_merges.router,
    holds.router,
    retention.router,
    calendar.router,
    timetables.router,
    registers.router,
    reminders.router,
    desk.router,
    reports.router,
    events.router,
    webhooks.router,
    audit.router,
    users.router,
    staff_erasure.router,
)
PAGES = (
    static_files.router,
    sign_in.router,
    profile_pages.router,
    second_step.router,
    confirming.router,
    own_factors.router,
    single_sign_on.router,
    today.router,
    register_order.router,
    register.router,
    overview.router,
    on_site.router,
    desk_pages.router,
    record.router,
    batch_pages.router,
    search_pages.router,
    list_searches.router,
    schools_admin.router,
    people.router,
    staff_erasure_pages.router,
    key_pages.router,
    webhook_pages.router,
    status_pages.router,
    calendar_pages.router,
    away_pages.router,
    cover_pages.router,
    marks_pages.router,
    timetable_pages.router,
    roster_files.router,
    student_merge_pages.router,
    retention_pages.router,
    year.router,
    unexplained_pages.router,
    student_pages.router,
    year.address_router,
    planned_absences.router,
    call_list.router,
    audit_pages.router,
)

# A request is compared with one router after another, so those of the most requests come first.
FIRST = (batches.router, static_files.router, register.router, today.router, batch_pages.router, overview.router)

# The packages with endpoints. Each has examples.
FEATURES = (
    "absences",
    "accounts",
    "attendance",
    "batches",
    "events",
    "operations",
    "privacy",
    "registers",
    "reports",
    "roster",
    "schools",
)
# The packages with templates.
TEMPLATES = (
    "adsum.platform.pages",
    "adsum.absences",
    "adsum.accounts",
    "adsum.attendance",
    "adsum.batches",
    "adsum.events",
    "adsum.operations.audit",
    "adsum.operations.setup",
    "adsum.privacy",
    "adsum.registers",
    "adsum.reports",
    "adsum.roster",
    "adsum.schools",
)


def create_app(settings: Settings) -> FastAPI:
    """The application for these settings. It opens the database and Redis when it starts."""
    app = Application(
        title="Adsum",
        version=__version__,
        summary="Records the attendance of a whole class in one request: every student exactly once.",
        lifespan=_open_while_running(settings),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        openapi_external_docs=_documentation(settings),
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        # FastAPI's own spans and logs have paths, queries and texts of errors. `Observation` makes ours.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.examples = tuple(f"adsum.{feature}" for feature in FEATURES)
    app.errors_of_callers = (*ERRORS_OF_CALLERS, StorageOutage)
    app.security_schemes = SCHEMES
    app.state.site = open_site(TEMPLATES)
    app.state.query_names = NamesByRoute()
    routers = (*FIRST, *(each for each in (*ROUTERS, *PAGES) if all(each is not first for first in FIRST)))
    describe_schemes(routers)
    for router in routers:
        app.include_router(router)
    keep_fixed_paths(app, routers)
    answer_errors(app, page_of_error)
    answer_repetitions(app)
    _add_middleware(app, settings)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """A request passes the middleware added last first."""
    uploads = ("/rosters/import", roster_files.PATH, marks_import.PATH, marks_pages.PATH)
    limits: dict[str, int] = dict.fromkeys(uploads, settings.max_import_bytes)
    forms = {register.router.prefix: register.MAX_FIELDS, student_merge_pages.PATH: student_merge_pages.MAX_FIELDS}
    app.add_middleware(BodyLimit, limit=settings.max_body_bytes, paths=limits, forms=forms, refuse=_refusal)
    if settings.database_read_url is not None:
        app.add_middleware(Recency)
    app.add_middleware(Observation, failure=failure_of)
    app.add_middleware(SecurityHeaders, covers_subdomains=settings.hsts_subdomains)


def _documentation(settings: Settings) -> dict[str, str] | None:
    """The link to the documentation in the OpenAPI description, which the page `/docs` shows."""
    url = settings.documentation_url
    return None if url is None else {"description": "Documentation", "url": url}


def attach(app: FastAPI, adsum: wiring.Adsum) -> None:
    """Provides the open services to the application."""
    app.state.adsum = adsum
    app.state.services = adsum.services
    app.state.count_request = adsum.metrics.count_request
    app.state.tracing = adsum.tracing


def end_streams(app: FastAPI) -> None:
    """Ends all event streams before the process stops. A stream otherwise lasts until its batch ends."""
    app.state.adsum.progress.stop()


def _refusal(request: Request, error: AdsumError) -> Response:
    """A page for browsers, a problem for other clients."""
    note_refusal(request, error.code)
    return page_of_error(request, error) or problem_of(error)


def _open_while_running(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with (
            exporting("adsum-api") as exports,
            wiring.open_adsum(settings, tracing=exports.tracing) as adsum,
            exporting_metrics(exports.metrics, adsum.scrape.families),
        ):
            attach(app, adsum)
            yield

    return lifespan
