"""Opens the servers and builds the services of each feature."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from adsum.absences.transfers import warnings_of_transfers
from adsum.absences.wiring import AbsenceServices, absence_services
from adsum.accounts.passwords.hashing import Passwords
from adsum.accounts.service import Accounts
from adsum.accounts.wiring import AccountServices, account_services, password_policy
from adsum.attendance.closed_marks import marks_on_closed_days
from adsum.attendance.wiring import AttendanceServices, attendance_services
from adsum.batches.activity.service import ActivityService
from adsum.batches.queue.control import QueueControl
from adsum.batches.sharding.service import require_present_number
from adsum.batches.wiring import BatchServices, batch_services, queue_control, used_number_of_shards
from adsum.events.wiring import EventServices, event_services
from adsum.operations.doctor.wiring import open_doctor
from adsum.operations.metrics import Metrics
from adsum.operations.wiring import OperationServices, operation_services
from adsum.platform.cancellation import closing
from adsum.platform.clock import Clock, system_clock
from adsum.platform.database.engine import Database, LockTimeout, open_database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.database.revision import current_revision
from adsum.platform.database.standby import Standby
from adsum.platform.redis.connection import naming_mismatch
from adsum.platform.redis.last_writes import LastWrites
from adsum.platform.redis.shards import Shards
from adsum.platform.services import Services
from adsum.platform.settings import Settings
from adsum.platform.time_zones import DEFAULT_TIME_ZONE
from adsum.privacy.retention.rules import FIRST_MONTH
from adsum.privacy.wiring import PrivacyServices, privacy_services
from adsum.privacy.years.repository import partitioning, partitions_ahead
from adsum.registers.wiring import RegisterPageServices, RegisterServices, register_page_services, register_services
from adsum.reports.wiring import ReportServices, report_services
from adsum.roster.demo import service as demo
from adsum.roster.importing.service import RosterImport
from adsum.roster.wiring import RosterServices, roster_services
from adsum.schools.wiring import SchoolServices, school_services
from adsum.servers import (
    OpenServers,
    database_url,
    key_ring,
    last_writes,
    open_servers,
    open_shards,
    open_standby_of,
    redis_url,
)

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing

Result = TypeVar("Result")


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
    RegisterPageServices,
    PrivacyServices,
    EventServices,
    OperationServices,
):
    """All open services of a process."""

    settings: Settings
    database: Database
    shards: Shards
    last_writes: LastWrites
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
        find_number = partial(used_number_of_shards, settings, now=now)
        database, shards = await stack.enter_async_context(open_servers(settings, find_number))
        standby, metrics, seen = open_standby_of(settings, database), Metrics(), last_writes(settings, shards.home)
        stack.push_async_callback(seen.close)
        if standby is not None:
            stack.push_async_callback(standby.close)
        reader = StandbyReader(database, standby, seen.seen_at, metrics.count_read)
        on = OpenServers(settings, database, reader, shards, now, key_ring(settings, now), stack, tracing)
        features = _features(on, metrics, standby)
        built = {name: service for feature in features for name, service in vars(feature).items()}
        yield Adsum(
            **built, last_writes=seen, settings=settings, database=database, shards=shards, now=now, tracing=tracing
        )


def _features(on: OpenServers, metrics: Metrics, standby: Standby | None) -> Iterator[object]:
    """Builds the services of each feature, from those of the features that it imports."""
    yield (accounts := account_services(on))
    yield (schools := school_services(on, marks_on_closed_days))
    yield (roster := roster_services(on, accounts.accounts, warnings_of_transfers))
    yield (attendance := attendance_services(on, schools.schools, roster.naming))
    yield (absences := absence_services(on, schools.schools, roster, attendance.statuses))
    yield (batches := batch_services(on, schools.schools))
    yield (reports := report_services(on, roster, attendance.statuses, absences))
    yield (registers := register_services(on, schools, attendance, absences, batches))
    yield (privacy := privacy_services(on, schools.schools, roster, attendance.statuses))
    yield (events := event_services(on, batches.sweeper, schools.schools, roster.naming, metrics.events))
    yield register_page_services(
        registers,
        schools=schools,
        roster=roster,
        attendance=attendance,
        absences=absences,
        batches=batches,
        reports=reports,
        stopped_webhooks=events.webhooks.stopped,
    )
    yield operation_services(
        on,
        metrics=metrics,
        standby=standby,
        api_keys=accounts.api_keys,
        schools=schools.schools,
        roster=roster,
        queue=batches.queue,
        chores_of_privacy=[privacy.retention_runs.delete_if_due, privacy.partitions_ahead.make_if_due],
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
async def open_services(settings: Settings, *, enqueues: bool = False) -> AsyncGenerator[Services]:
    """Like `open_adsum`, for a command. `enqueues`: whether it enqueues chunks.

    Raises:
        ConfigurationError: the database lacks migrations, or the workers have another number of shards: the command
            would enqueue where none of them looks.
    """
    async with open_adsum(settings) as adsum:
        await adsum.readiness.require_current_schema()
        if enqueues:
            await require_present_number(len(adsum.shards), adsum.database)
        yield adsum.services


@asynccontextmanager
async def open_queue_services(settings: Settings) -> AsyncGenerator[Services]:
    """The queue alone, for a command, so that it can be paused during an outage of the database, too.

    Raises:
        ConfigurationError: the workers have another number of shards.
    """
    database = open_database(database_url(settings))
    try:
        async with open_queue_control(settings) as control:
            await require_present_number(control.number_of_shards, database)
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
    """The queue alone, so that it can be paused during an outage of the database: only the number of shards of a
    cluster, if no setting has it, is read from there.
    """
    async with naming_mismatch(redis_url(settings)):
        number = await with_database(settings, partial(used_number_of_shards, settings, now=system_clock))
        async with closing(open_shards(settings, number)) as shards:
            yield queue_control(settings, shards)


async def migrate(settings: Settings) -> int:
    """Brings the database to this version's schema, and returns the number of migrations that were missing."""
    from adsum.platform.database import schema  # noqa: PLC0415 - Alembic takes 10 MB, which other processes save

    async def migrate_and_partition(database: Database) -> int:
        is_new = not database.is_missing and await current_revision(database) is None
        applied = await schema.migrate(database)
        if not database.is_postgres:
            return applied
        records = partitioning(database, FIRST_MONTH)
        if is_new:
            # No process of another version works on it.
            await records.partition(system_clock().date())
        else:
            await records.remove_checks()
            with suppress(LockTimeout):  # the worker, or the next call, makes them
                await partitions_ahead(database, system_clock).make()
        return applied

    return await with_database(settings, migrate_and_partition)


async def with_database(settings: Settings, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Calls `work` with the database alone."""
    database = open_database(database_url(settings))
    try:
        return await work(database)
    finally:
        await database.close()


async def load_demo(settings: Settings) -> dict[str, str]:
    """Loads the demo school into a migrated database. Returns the password of each demo account."""
    database = open_database(database_url(settings))
    try:
        roster_import = RosterImport(database, settings.timezone, system_clock, warnings_of_transfers)
        return await demo.load_demo(
            database, roster_import, Accounts(database, Passwords()), settings.timezone or DEFAULT_TIME_ZONE
        )
    finally:
        await database.close()
