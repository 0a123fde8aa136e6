"""Opens the servers and builds the services of each feature."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING

from adsum.absences.contacts.page_data import CallListPageData
from adsum.absences.contacts.service import Contacts
from adsum.absences.page_data import AbsencePageData
from adsum.absences.service import Absences
from adsum.absences.transfers import warnings_of_transfers
from adsum.absences.unexplained import UnexplainedAbsences
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.service import Accounts
from adsum.accounts.wiring import AccountServices, account_services, password_policy
from adsum.attendance.closed_marks import marks_on_closed_days
from adsum.attendance.corrections import Corrections
from adsum.attendance.disputed_marks.service import DisputedMarks
from adsum.attendance.page_data import RecordPageData
from adsum.attendance.service import Records
from adsum.attendance.statuses.service import Statuses
from adsum.batches.activity.service import ActivityService
from adsum.batches.page_data import BatchPageData
from adsum.batches.queue.control import QueueControl
from adsum.batches.wiring import BatchServices, batch_services, queue_control
from adsum.events.wiring import EventServices, event_services
from adsum.operations.doctor.wiring import open_doctor
from adsum.operations.metrics import Metrics
from adsum.operations.wiring import OperationServices, operation_services
from adsum.platform.clock import Clock, system_clock
from adsum.platform.database.engine import Database, open_database
from adsum.platform.paging import PageRequest
from adsum.platform.services import Services
from adsum.platform.settings import Settings
from adsum.platform.time_zones import ASSUMED
from adsum.privacy.merging.page_data import MergePageData
from adsum.privacy.merging.service import StudentMerges
from adsum.registers.day_roster import DayRosters
from adsum.registers.desk.page_data import DeskPageData
from adsum.registers.desk.service import Desk
from adsum.registers.on_site.service import OnSite
from adsum.registers.order.service import RegisterOrders
from adsum.registers.overview.page_data import OverviewPageData
from adsum.registers.page_data import TodayPageData
from adsum.registers.reminders.service import Reminders
from adsum.registers.rules import RegisterFilters
from adsum.registers.service import Registers
from adsum.registers.sheets.service import RegisterSheets
from adsum.reports.service import Reports, Summaries
from adsum.reports.student.page_data import StudentPageData
from adsum.reports.unexplained.page_data import UnexplainedPageData
from adsum.reports.year import Year
from adsum.roster.by_source.service import SourcedRoster
from adsum.roster.covers.by_teacher.service import TeachersAway
from adsum.roster.covers.page_data import CoverPageData
from adsum.roster.covers.service import Covers
from adsum.roster.demo import service as demo
from adsum.roster.importing.service import RosterImport
from adsum.roster.people.service import People
from adsum.roster.search.service import Search
from adsum.roster.service import Directory, Naming
from adsum.roster.student_contacts.service import StudentContacts
from adsum.roster.syncing.schedule import ScheduledSync, schedule_of
from adsum.roster.syncing.service import RosterSync
from adsum.roster.timetable.service import Timetables
from adsum.schools.calendar.service import SchoolCalendar
from adsum.schools.service import Schools
from adsum.servers import OpenServers, database_url, key_ring, open_queue, open_servers

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing


@dataclass(frozen=True)
class SchoolServices:
    """Schools and their calendars."""

    schools: Schools
    school_calendar: SchoolCalendar


@dataclass(frozen=True)
class RosterServices:
    """Classes, students, sessions and the people of a school."""

    people: People
    directory: Directory
    search: Search
    covers: Covers
    teachers_away: TeachersAway
    timetables: Timetables
    naming: Naming
    roster_import: RosterImport
    roster_sync: RosterSync
    scheduled_sync: ScheduledSync
    sourced_roster: SourcedRoster
    student_contacts: StudentContacts


@dataclass(frozen=True)
class AttendanceServices:
    """Recorded attendance."""

    records: Records
    corrections: Corrections
    disputed_marks: DisputedMarks
    statuses: Statuses


@dataclass(frozen=True)
class AbsenceServices:
    """Planned and unexplained absences."""

    absences: Absences
    unexplained_absences: UnexplainedAbsences
    contacts: Contacts


@dataclass(frozen=True)
class ReportServices:
    """Rates and summaries."""

    reports: Reports
    year: Year


@dataclass(frozen=True)
class RegisterServices:
    """Registers of a day."""

    registers: Registers
    register_sheets: RegisterSheets
    register_orders: RegisterOrders
    reminders: Reminders
    desk: Desk
    on_site: OnSite
    day_rosters: DayRosters


@dataclass(frozen=True)
class PageServices:
    """The data of pages that combine several services."""

    unexplained_page_data: UnexplainedPageData
    student_page_data: StudentPageData
    batch_page_data: BatchPageData
    absence_page_data: AbsencePageData
    call_list_page_data: CallListPageData
    cover_page_data: CoverPageData
    desk_page_data: DeskPageData
    overview_page_data: OverviewPageData
    merge_page_data: MergePageData
    record_page_data: RecordPageData
    today_page_data: TodayPageData


@dataclass(frozen=True)
class Adsum(
    AccountServices,
    SchoolServices,
    RosterServices,
    AttendanceServices,
    AbsenceServices,
    BatchServices,
    ReportServices,
    RegisterServices,
    PageServices,
    EventServices,
    OperationServices,
):
    """All open services of a process."""

    settings: Settings
    database: Database
    now: Clock
    tracing: Tracing | None

    @cached_property
    def services(self) -> Services:
        """The services by type, for endpoints and commands."""
        built = (getattr(self, each.name) for each in fields(self))
        return Services(built, clock=self.now, settings=self.settings)


@asynccontextmanager
async def open_adsum(
    settings: Settings, now: Clock = system_clock, tracing: Tracing | None = None
) -> AsyncGenerator[Adsum]:
    """Opens the database and Redis, builds the services, and closes everything at the end of the block."""
    async with AsyncExitStack() as stack:
        database, redis = await stack.enter_async_context(open_servers(settings))
        on = OpenServers(settings, database, redis, now, key_ring(settings, now), stack, tracing)
        accounts = account_services(on)
        schools = SchoolServices(Schools(database, now), SchoolCalendar(database, now, marks_on_closed_days))
        roster = _roster(on, accounts)
        attendance = _attendance(on)
        absences = AbsenceServices(Absences(database, now), UnexplainedAbsences(database, now), Contacts(database, now))
        batches = batch_services(on, schools.schools)
        reports = _reports(on)
        registers = _registers(on, attendance, absences, batches)
        metrics = Metrics()
        events = event_services(on, batches.sweeper, schools.schools, metrics.events)
        pages = _pages(on, schools, roster, attendance, absences, batches, reports, registers, events)
        operations = operation_services(
            on,
            metrics=metrics,
            api_keys=accounts.api_keys,
            schools=schools.schools,
            naming=roster.naming,
            people=roster.people,
            directory=roster.directory,
            queue=batches.queue,
        )
        features = (
            *(accounts, schools, roster, attendance, absences, batches, reports, registers, pages),
            *(events, operations),
        )
        built = {name: service for feature in features for name, service in vars(feature).items()}
        yield Adsum(**built, settings=settings, database=database, now=now, tracing=tracing)


def _roster(on: OpenServers, accounts: AccountServices) -> RosterServices:
    roster_import = RosterImport(on.database, on.settings.timezone, on.now, warnings_of_transfers)
    roster_sync = RosterSync(on.database, roster_import, on.now)
    return RosterServices(
        people=People(on.database, accounts.accounts, on.now),
        directory=Directory(on.database, on.now),
        search=Search(on.database, on.now),
        covers=Covers(on.database, on.now),
        teachers_away=TeachersAway(on.database),
        timetables=Timetables(on.database, on.now),
        naming=Naming(on.database),
        roster_import=roster_import,
        roster_sync=roster_sync,
        scheduled_sync=ScheduledSync(roster_sync, schedule_of(on.settings), on.now),
        sourced_roster=SourcedRoster(on.database, on.now),
        student_contacts=StudentContacts(on.database),
    )


def _attendance(on: OpenServers) -> AttendanceServices:
    return AttendanceServices(
        records=Records(on.database),
        corrections=Corrections(on.database, on.now),
        disputed_marks=DisputedMarks(on.database, on.now),
        statuses=Statuses(on.database, on.now),
    )


def _reports(on: OpenServers) -> ReportServices:
    summaries = Summaries(on.database)
    return ReportServices(reports=Reports(on.database, summaries), year=Year(on.database, summaries))


def _registers(
    on: OpenServers, attendance: AttendanceServices, absences: AbsenceServices, batches: BatchServices
) -> RegisterServices:
    return RegisterServices(
        registers=Registers(on.database, on.now),
        register_sheets=RegisterSheets(on.database, batches.attendances, attendance.corrections, on.now),
        register_orders=RegisterOrders(on.database, on.now),
        reminders=Reminders(on.database, on.now),
        desk=Desk(on.database, batches.attendances, absences.absences, batches.undo, on.now),
        on_site=OnSite(on.database, on.now),
        day_rosters=DayRosters(on.database, on.now),
    )


def _pages(  # noqa: PLR0913, PLR0917 - the services of all pages
    on: OpenServers,
    schools: SchoolServices,
    roster: RosterServices,
    attendance: AttendanceServices,
    absences: AbsenceServices,
    batches: BatchServices,
    reports: ReportServices,
    registers: RegisterServices,
    events: EventServices,
) -> PageServices:
    unexplained = UnexplainedPageData(
        reports.reports, absences.unexplained_absences, attendance.statuses, roster.naming
    )
    planned_absences = AbsencePageData(
        absences.absences, roster.directory, schools.schools, attendance.statuses, roster.naming
    )
    call_list = CallListPageData(absences.contacts, attendance.statuses, roster.naming)
    return PageServices(
        unexplained_page_data=unexplained,
        student_page_data=StudentPageData(
            directory=roster.directory,
            student_contacts=roster.student_contacts,
            reports=reports.reports,
            year=reports.year,
            planned_absences=planned_absences,
            call_list=call_list,
            unexplained=unexplained,
        ),
        batch_page_data=BatchPageData(
            batches.attendances,
            batches.batches,
            batches.timeline,
            batches.activity,
            roster.directory,
            roster.naming,
            attendance.statuses,
            missing_registers=lambda caller, limit: registers.registers.page(
                caller, RegisterFilters(), PageRequest(limit=limit)
            ),
        ),
        absence_page_data=planned_absences,
        call_list_page_data=call_list,
        cover_page_data=CoverPageData(roster.covers, roster.directory, roster.people, roster.naming),
        desk_page_data=DeskPageData(
            registers.desk, roster.directory, roster.search, attendance.statuses, roster.naming
        ),
        merge_page_data=MergePageData(
            StudentMerges(on.database, on.now), roster.directory, schools.schools, attendance.statuses, roster.naming
        ),
        record_page_data=RecordPageData(
            attendance.corrections, schools.schools, attendance.statuses, roster.naming, on.now
        ),
        today_page_data=TodayPageData(schools.schools, registers.registers, attendance.statuses, on.now),
        overview_page_data=OverviewPageData(
            registers=registers.registers,
            on_site=registers.on_site,
            reports=reports.reports,
            unexplained=unexplained,
            contacts=absences.contacts,
            disputed_marks=attendance.disputed_marks,
            batches=batches.batches,
            statuses=attendance.statuses,
            naming=roster.naming,
            calendar=schools.school_calendar,
            stopped_webhooks=events.webhooks.stopped,
        ),
    )


async def require_current_schema(settings: Settings) -> None:
    """Raises ConfigurationError: the database lacks migrations; StorageOutage: it does not answer."""
    async with open_adsum(settings) as adsum:
        await adsum.readiness.require_current_schema()


async def require_possible_sign_in(settings: Settings) -> None:
    """Raises ConfigurationError: the users of the database are none of those whom the settings let sign in, or new
    passwords cannot be checked.
    """
    if (breached := password_policy(settings).breached) is not None:
        await asyncio.to_thread(breached.require_usable)
    if settings.password_sign_in or settings.oidc_providers:
        return
    async with open_adsum(settings) as adsum:
        await adsum.accounts.require_one_enabled(settings.emergency_emails)


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Like `open_adsum`, for a command. Raises ConfigurationError: the database lacks migrations."""
    async with open_adsum(settings) as adsum:
        await adsum.readiness.require_current_schema()
        yield adsum.services


@asynccontextmanager
async def open_queue_services(settings: Settings) -> AsyncGenerator[Services]:
    """The queue alone, for a command. The database is not asked before the queue is paused or resumed."""
    database = open_database(database_url(settings))
    try:
        async with open_queue_control(settings) as control:
            activity = ActivityService(database, control, system_clock)
            yield Services([control, activity], clock=system_clock, settings=settings)
    finally:
        await database.close()


@asynccontextmanager
async def open_doctor_services(settings: Settings) -> AsyncGenerator[Services]:
    """The doctor alone, for a command."""
    async with open_doctor(settings) as doctor:
        yield Services([doctor], clock=system_clock, settings=settings)


@asynccontextmanager
async def open_queue_control(settings: Settings) -> AsyncGenerator[QueueControl]:
    """The queue alone, so that it can be paused during an outage of the database."""
    redis = open_queue(settings)
    try:
        yield queue_control(settings, redis)
    finally:
        await redis.aclose()


async def migrate(settings: Settings) -> int:
    """Brings the database to this version's schema, and returns the number of migrations that were missing."""
    from adsum.platform.database import schema  # noqa: PLC0415 - Alembic takes 10 MB, which other processes save

    database = open_database(database_url(settings))
    try:
        return await schema.migrate(database)
    finally:
        await database.close()


async def load_demo(settings: Settings) -> dict[str, str]:
    """Loads the demo school into a migrated database. Returns the password of each demo account."""
    database = open_database(database_url(settings))
    try:
        roster_import = RosterImport(database, settings.timezone, system_clock, warnings_of_transfers)
        return await demo.load_demo(
            database, roster_import, Accounts(database, Passwords()), settings.timezone or ASSUMED
        )
    finally:
        await database.close()
