"""The one place that opens and closes everything: settings in, services out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adsum.metrics import Metrics
from adsum.queue.attempts import FailedAttempts
from adsum.queue.connection import RedisClient
from adsum.queue.control import QueueControl
from adsum.queue.ledger import Ledger
from adsum.queue.service import QueueService
from adsum.servers import database_url, open_queue, open_servers, signing_key
from adsum.services import demo
from adsum.services.absences import Absences
from adsum.services.accepting import Acceptance
from adsum.services.accounts import Accounts
from adsum.services.acting import Acting
from adsum.services.activity import ActivityService
from adsum.services.api_keys import ApiKeys
from adsum.services.applying_absences import DueAbsences
from adsum.services.attendances import AttendancesService
from adsum.services.batch_stories import BatchStories
from adsum.services.batches import Batches
from adsum.services.completion import Completion
from adsum.services.contradictions import Contradictions
from adsum.services.corrections import Corrections
from adsum.services.covers import Covers
from adsum.services.deliveries import Deliveries
from adsum.services.directory import Directory
from adsum.services.ended_runs import EndedRuns
from adsum.services.explaining import Explaining
from adsum.services.house import House
from adsum.services.interventions import Interventions
from adsum.services.marks_import import MarksImport
from adsum.services.naming import Naming
from adsum.services.passwords import Passwords
from adsum.services.people import People
from adsum.services.processor import AttendanceProcessor
from adsum.services.progress import Progress
from adsum.services.pruning import Pruning
from adsum.services.queueing import Queueing
from adsum.services.readiness import Readiness
from adsum.services.records import Records
from adsum.services.register_sheets import RegisterSheets
from adsum.services.registers import Registers
from adsum.services.reports import Reports
from adsum.services.roster_import import RosterImport
from adsum.services.school_calendar import SchoolCalendar
from adsum.services.schools import Schools
from adsum.services.signing_in import SigningIn
from adsum.services.sourced_roster import SourcedRoster
from adsum.services.statuses import Statuses
from adsum.services.student_data import StudentData
from adsum.services.summaries import Summaries
from adsum.services.sweeper import Chore, Sweeper
from adsum.services.timetables import Timetables
from adsum.services.tokens import Tokens
from adsum.services.undoing import Undoing
from adsum.services.unreleased_runs import UnreleasedRuns
from adsum.services.year import Year
from adsum.settings import Settings
from adsum.storage import schema
from adsum.storage.database import Database, open_database


@dataclass(frozen=True, slots=True)
class Adsum:
    """Everything that is open, for the web, the command line and the worker."""

    settings: Settings
    database: Database
    queue: QueueService
    metrics: Metrics
    accounts: Accounts
    people: People
    tokens: Tokens
    signing_in: SigningIn
    api_keys: ApiKeys
    acting: Acting
    readiness: Readiness
    ended_runs: EndedRuns
    attendances: AttendancesService
    processor: AttendanceProcessor
    deliveries: Deliveries
    interventions: Interventions
    sweeper: Sweeper
    chores: Sequence[Chore]
    batches: Batches
    stories: BatchStories
    activity: ActivityService
    progress: Progress
    directory: Directory
    records: Records
    marks_import: MarksImport
    corrections: Corrections
    undoing: Undoing
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
    house: House
    explaining: Explaining
    naming: Naming
    roster_import: RosterImport
    sourced_roster: SourcedRoster


def now() -> datetime:
    """The only clock. Services get it as an argument, so that tests can set it."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_adsum(settings: Settings) -> AsyncGenerator[Adsum]:
    """Opens the database and Redis, builds the services, and closes all of it at the end."""
    async with AsyncExitStack() as stack:
        database, redis = await stack.enter_async_context(open_servers(settings))
        metrics = Metrics()
        queue = queue_service(settings, redis)
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
        acting = Acting(database)
        stack.push_async_callback(acting.close)
        corrections = Corrections(database, now)
        accounts = Accounts(database, Passwords())
        attempts = FailedAttempts(redis, key_prefix=settings.key_prefix)
        yield Adsum(
            settings=settings,
            database=database,
            queue=queue,
            metrics=metrics,
            accounts=accounts,
            people=People(database, accounts),
            tokens=tokens,
            signing_in=SigningIn(accounts, tokens, attempts),
            api_keys=api_keys,
            acting=acting,
            readiness=Readiness(database, queue.ping, queue.depth, now),
            ended_runs=EndedRuns(database, metrics, now),
            attendances=attendances,
            interventions=Interventions(database, queueing, now, chunk_size=settings.chunk_size),
            processor=processor,
            deliveries=deliveries,
            sweeper=new_sweeper(settings, database, queue, completion),
            chores=_chores(settings, database),
            batches=Batches(database),
            stories=BatchStories(database, queue),
            activity=ActivityService(database, queue_control(settings, redis), now),
            progress=progress,
            directory=Directory(database, now),
            records=Records(database),
            marks_import=MarksImport(database, attendances),
            corrections=corrections,
            undoing=Undoing(database, now),
            contradictions=Contradictions(database, now),
            absences=Absences(database, now),
            covers=Covers(database, now),
            student_data=StudentData(database),
            schools=Schools(database),
            statuses=Statuses(database, now),
            school_calendar=SchoolCalendar(database, now),
            timetables=Timetables(database, now),
            registers=Registers(database, now),
            register_sheets=RegisterSheets(database, attendances, corrections, now),
            reports=Reports(database, Summaries(database)),
            year=Year(database, Summaries(database)),
            house=House(database, now),
            explaining=Explaining(database, now),
            naming=Naming(database),
            roster_import=RosterImport(database, settings.timezone, now),
            sourced_roster=SourcedRoster(database),
        )


async def require_current_schema(settings: Settings) -> None:
    """Raises ConfigurationError where the database lacks migrations, StorageOutage where it does not answer."""
    async with open_adsum(settings) as adsum:
        await adsum.readiness.require_current_schema()


@asynccontextmanager
async def open_queue_control(settings: Settings) -> AsyncGenerator[QueueControl]:
    """The queue alone: it can be paused while the database is away."""
    redis = open_queue(settings)
    try:
        yield queue_control(settings, redis)
    finally:
        await redis.aclose()


def queue_control(settings: Settings, redis: RedisClient) -> QueueControl:
    """The queue as operators see it, on an open connection."""
    return QueueControl(redis, queue_name=settings.queue_name, key_prefix=settings.key_prefix)


def queue_service(settings: Settings, redis: RedisClient) -> QueueService:
    """The queue and its ledger, on an open connection."""
    ledger = Ledger(
        redis, key_prefix=settings.key_prefix, lock_ttl=settings.lock_ttl, completed_ttl=settings.completed_ttl
    )
    return QueueService(redis, ledger, queue_name=settings.queue_name, key_prefix=settings.key_prefix)


def new_deliveries(settings: Settings, processor: AttendanceProcessor) -> Deliveries:
    """Groups of chunks as the settings have it."""
    return Deliveries(
        processor,
        chunk_size=settings.chunk_size,
        # Twice: where BullMQ's loop had to be started again, what it had taken before may still be waiting.
        waiting_at_most=2 * settings.worker_concurrency,
    )


def new_sweeper(settings: Settings, database: Database, queue: QueueService, completion: Completion) -> Sweeper:
    """A sweeper as the settings have it."""
    unreleased = UnreleasedRuns(database, queue, now, lock_ttl=timedelta(seconds=settings.lock_ttl))
    return Sweeper(
        database,
        queue,
        completion,
        unreleased,
        now,
        interval=settings.sweep_interval,
        grace=timedelta(seconds=settings.sweep_grace),
    )


def _chores(settings: Settings, database: Database) -> list[Chore]:
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
        roster_import = RosterImport(database, settings.timezone, now)
        return await demo.load_demo(database, roster_import, Accounts(database, Passwords()), settings.timezone)
    finally:
        await database.close()
