"""The one place that opens and closes everything: settings in, services out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import cached_property

from adsum.absences.apply import DueAbsences
from adsum.absences.explain import Explaining
from adsum.absences.service import Absences
from adsum.accounts.api_keys import ApiKeys
from adsum.accounts.impersonation import Impersonation
from adsum.accounts.passwords import Passwords
from adsum.accounts.service import Accounts
from adsum.accounts.sign_in import SigningIn
from adsum.accounts.tokens import Tokens
from adsum.attendance.corrections import Corrections
from adsum.attendance.disputed_marks.service import Contradictions
from adsum.attendance.service import Records
from adsum.attendance.statuses.service import Statuses
from adsum.batches.accept import Acceptance
from adsum.batches.activity.service import ActivityService
from adsum.batches.complete import Completion
from adsum.batches.dispatcher import Deliveries
from adsum.batches.enqueue import Queueing
from adsum.batches.listing import Batches
from adsum.batches.marks_import.service import MarksImport
from adsum.batches.metrics import BatchMetrics
from adsum.batches.page_data import BatchPages
from adsum.batches.process import AttendanceProcessor
from adsum.batches.progress import Progress
from adsum.batches.queue.control import QueueControl
from adsum.batches.queue.service import QueueService
from adsum.batches.retry_cancel import RetryCancel
from adsum.batches.service import AttendancesService
from adsum.batches.sweep import Chore, Sweeper
from adsum.batches.timeline import Timeline
from adsum.batches.undo import Undo
from adsum.batches.wiring import new_deliveries, new_sweeper, queue_control, queue_service
from adsum.operations.metrics import Metrics
from adsum.operations.pruning import Pruning
from adsum.operations.readiness import Readiness
from adsum.operations.run_metrics import EndedRuns
from adsum.platform.clock import Clock, system_clock
from adsum.platform.database import schema
from adsum.platform.database.engine import Database, open_database
from adsum.platform.paging import PageRequest
from adsum.platform.redis.attempts import FailedAttempts
from adsum.platform.services import Services
from adsum.platform.settings import Settings
from adsum.privacy.service import StudentData
from adsum.registers.day_roster import DayRosters
from adsum.registers.on_site.service import OnSite
from adsum.registers.overview.service import DayOverviews
from adsum.registers.rules import RegisterFilters
from adsum.registers.service import DayTimetables, Registers
from adsum.registers.sheets.service import RegisterSheets
from adsum.reports.service import Reports, Summaries
from adsum.reports.year import Year
from adsum.roster.by_source.service import SourcedRoster
from adsum.roster.covers.service import Covers
from adsum.roster.demo import service as demo
from adsum.roster.importing.service import RosterImport
from adsum.roster.people.service import People
from adsum.roster.service import Directory, Naming
from adsum.roster.timetable.service import Timetables
from adsum.schools.calendar.service import SchoolCalendar
from adsum.schools.service import Schools
from adsum.servers import database_url, open_queue, open_servers, signing_key


@dataclass(frozen=True)
class Adsum:
    """Everything that is open, for the web, the command line and the worker."""

    settings: Settings
    database: Database
    queue: QueueService
    metrics: Metrics
    batch_metrics: BatchMetrics
    queue_control: QueueControl
    accounts: Accounts
    people: People
    tokens: Tokens
    signing_in: SigningIn
    api_keys: ApiKeys
    impersonation: Impersonation
    readiness: Readiness
    ended_runs: EndedRuns
    attendances: AttendancesService
    processor: AttendanceProcessor
    deliveries: Deliveries
    retry_cancel: RetryCancel
    sweeper: Sweeper
    chores: Sequence[Chore]
    batches: Batches
    timeline: Timeline
    batch_pages: BatchPages
    activity: ActivityService
    progress: Progress
    directory: Directory
    records: Records
    marks_import: MarksImport
    corrections: Corrections
    undo: Undo
    contradictions: Contradictions
    absences: Absences
    covers: Covers
    student_data: StudentData
    schools: Schools
    statuses: Statuses
    school_calendar: SchoolCalendar
    timetables: Timetables
    registers: Registers
    register_sheets: RegisterSheets
    reports: Reports
    year: Year
    on_site: OnSite
    day_rosters: DayRosters
    day_timetables: DayTimetables
    day_overviews: DayOverviews
    explaining: Explaining
    naming: Naming
    roster_import: RosterImport
    sourced_roster: SourcedRoster
    now: Clock

    @cached_property
    def services(self) -> Services:
        """Each of these under its type, for endpoints and commands."""
        built = (getattr(self, each.name) for each in fields(self))
        return Services(built, clock=self.now, settings=self.settings)


@asynccontextmanager
async def open_adsum(settings: Settings, now: Clock = system_clock) -> AsyncGenerator[Adsum]:
    """Opens the database and Redis, builds the services, and closes all of it at the end."""
    async with AsyncExitStack() as stack:
        database, redis = await stack.enter_async_context(open_servers(settings))
        metrics, queue, control = Metrics(), queue_service(settings, redis), queue_control(settings, redis)
        acceptance = Acceptance(database, now, chunk_size=settings.chunk_size, max_batch_size=settings.max_batch_size)
        completion = Completion(database, queue, now)
        queueing = Queueing(queue, completion)
        stack.push_async_callback(queueing.close)
        stack.push_async_callback(acceptance.close)
        attendances = AttendancesService(database, acceptance, queueing)
        processor = AttendanceProcessor(database, queue, completion, now)
        deliveries = new_deliveries(settings, processor)
        stack.push_async_callback(deliveries.close)
        progress = Progress(database, attendances)
        stack.push_async_callback(progress.close)
        accounts = Accounts(database, Passwords())
        tokens = Tokens(database, signing_key(settings), now, timedelta(seconds=settings.token_ttl))
        stack.push_async_callback(tokens.close)
        api_keys = ApiKeys(database, now)
        stack.push_async_callback(api_keys.close)
        impersonation = Impersonation(database)
        stack.push_async_callback(impersonation.close)
        schools, statuses, naming = Schools(database), Statuses(database, now), Naming(database)
        contradictions, explaining = Contradictions(database, now), Explaining(database, now)
        corrections, summaries = Corrections(database, now), Summaries(database)
        registers, on_site, batches = Registers(database, now), OnSite(database, now), Batches(database)
        directory, timeline = Directory(database, now), Timeline(database, queue)
        activity, reports = ActivityService(database, control, now), Reports(database, summaries)
        yield Adsum(
            settings=settings,
            database=database,
            queue=queue,
            metrics=metrics,
            batch_metrics=metrics.batches,
            queue_control=control,
            accounts=accounts,
            people=People(database, accounts),
            tokens=tokens,
            signing_in=SigningIn(accounts, tokens, FailedAttempts(redis, key_prefix=settings.key_prefix)),
            api_keys=api_keys,
            impersonation=impersonation,
            readiness=Readiness(database, queue.ping, queue.depth, now),
            ended_runs=EndedRuns(database, metrics, now),
            attendances=attendances,
            retry_cancel=RetryCancel(database, queueing, now, chunk_size=settings.chunk_size),
            processor=processor,
            deliveries=deliveries,
            sweeper=new_sweeper(settings, database, queue, completion, now),
            chores=_chores(settings, database, now),
            batches=batches,
            timeline=timeline,
            batch_pages=BatchPages(
                attendances,
                batches,
                timeline,
                activity,
                directory,
                statuses,
                missing_registers=lambda caller, limit: registers.page(
                    caller, RegisterFilters(), PageRequest(limit=limit)
                ),
            ),
            activity=activity,
            progress=progress,
            directory=directory,
            records=Records(database),
            marks_import=MarksImport(database, attendances, schools),
            corrections=corrections,
            undo=Undo(database, now),
            contradictions=contradictions,
            absences=Absences(database, now),
            covers=Covers(database, now),
            student_data=StudentData(database),
            schools=schools,
            statuses=statuses,
            school_calendar=SchoolCalendar(database, now),
            timetables=Timetables(database, now),
            registers=registers,
            register_sheets=RegisterSheets(database, attendances, corrections, now),
            reports=reports,
            year=Year(database, summaries),
            on_site=on_site,
            day_rosters=DayRosters(database, now),
            day_timetables=DayTimetables(schools, registers, statuses, now),
            day_overviews=DayOverviews(
                registers=registers,
                on_site=on_site,
                reports=reports,
                explaining=explaining,
                contradictions=contradictions,
                batches=batches,
                statuses=statuses,
                naming=naming,
            ),
            explaining=explaining,
            naming=naming,
            roster_import=RosterImport(database, settings.timezone, now),
            sourced_roster=SourcedRoster(database),
            now=now,
        )


async def require_current_schema(settings: Settings) -> None:
    """Raises ConfigurationError where the database lacks migrations, StorageOutage where it does not answer."""
    async with open_adsum(settings) as adsum:
        await adsum.readiness.require_current_schema()


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """As `open_adsum`, for a command. Raises ConfigurationError: the database lacks migrations."""
    async with open_adsum(settings) as adsum:
        await adsum.readiness.require_current_schema()
        yield adsum.services


@asynccontextmanager
async def open_queue_services(settings: Settings) -> AsyncGenerator[Services]:
    """The queue alone, for a command."""
    async with open_queue_control(settings) as control:
        yield Services([control], clock=system_clock, settings=settings)


@asynccontextmanager
async def open_queue_control(settings: Settings) -> AsyncGenerator[QueueControl]:
    """The queue alone: it can be paused while the database is away."""
    redis = open_queue(settings)
    try:
        yield queue_control(settings, redis)
    finally:
        await redis.aclose()


def _chores(settings: Settings, database: Database, now: Clock) -> list[Chore]:
    keep = timedelta(days=settings.keep_runs_days)
    pruning = [Pruning(database, now, keep=keep).prune_if_due] if keep else []
    return [DueAbsences(database, now).apply, *pruning]


async def migrate(settings: Settings) -> str:
    """Brings the database to this version's schema, and returns the revision of it."""
    database = open_database(database_url(settings))
    try:
        await schema.migrate(database)
        return schema.newest_revision()
    finally:
        await database.close()


async def load_demo(settings: Settings) -> dict[str, str]:
    """Makes the demo school in a migrated database, and answers with the password of each demo account."""
    database = open_database(database_url(settings))
    try:
        roster_import = RosterImport(database, settings.timezone, system_clock)
        return await demo.load_demo(database, roster_import, Accounts(database, Passwords()), settings.timezone)
    finally:
        await database.close()
