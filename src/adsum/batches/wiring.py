"""Builds the services of batches, and alone those parts of the engine that `adsum doctor` uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from adsum.batches.accept import Acceptance
from adsum.batches.activity.service import ActivityService
from adsum.batches.complete import Completion
from adsum.batches.enqueue import Enqueuer
from adsum.batches.listing import Batches
from adsum.batches.marks_import.service import MarksImport
from adsum.batches.process import AttendanceProcessor, Dispatcher
from adsum.batches.progress import Progress
from adsum.batches.queue.control import QueueControl
from adsum.batches.queue.ledger import Ledger
from adsum.batches.queue.service import QueueService
from adsum.batches.retry_cancel import RetryCancel
from adsum.batches.service import AttendancesService
from adsum.batches.sweep import Sweeper, UnreleasedRuns
from adsum.batches.timeline import Timeline
from adsum.batches.undo import Undo
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.redis.connection import RedisClient
from adsum.platform.settings import Settings
from adsum.schools.service import Schools
from adsum.servers import OpenServers


@dataclass(frozen=True)
class BatchServices:
    """The engine: batches from a request to completion."""

    queue: QueueService
    queue_control: QueueControl
    attendances: AttendancesService
    processor: AttendanceProcessor
    dispatcher: Dispatcher
    sweeper: Sweeper
    retry_cancel: RetryCancel
    undo: Undo
    batches: Batches
    timeline: Timeline
    progress: Progress
    activity: ActivityService
    marks_import: MarksImport


def batch_services(on: OpenServers, schools: Schools) -> BatchServices:
    """The services of batches on open servers."""
    settings, database, now = on.settings, on.database, on.now
    queue, control = queue_service(settings, on.redis), queue_control(settings, on.redis)
    completion = Completion(database, queue.ledger, now)
    enqueuer = on.closing(Enqueuer(queue, completion))
    acceptance = on.closing(
        Acceptance(database, now, chunk_size=settings.chunk_size, max_batch_size=settings.max_batch_size)
    )
    attendances = AttendancesService(database, acceptance, enqueuer)
    processor = AttendanceProcessor(database, queue.ledger, completion, now)
    return BatchServices(
        queue=queue,
        queue_control=control,
        attendances=attendances,
        processor=processor,
        dispatcher=on.closing(new_dispatcher(settings, processor)),
        sweeper=new_sweeper(settings, database, queue, completion, now),
        retry_cancel=RetryCancel(database, enqueuer, now, chunk_size=settings.chunk_size),
        undo=Undo(database, now),
        batches=Batches(database),
        timeline=Timeline(database, queue.ledger),
        progress=on.closing(Progress(database, attendances)),
        activity=ActivityService(database, control, now),
        marks_import=MarksImport(database, attendances, schools),
    )


def queue_control(settings: Settings, redis: RedisClient) -> QueueControl:
    """The queue as operators see it."""
    return QueueControl(redis, queue_name=settings.queue_name, key_prefix=settings.key_prefix)


def queue_service(settings: Settings, redis: RedisClient) -> QueueService:
    """The queue and its ledger."""
    ledger = Ledger(
        redis, key_prefix=settings.key_prefix, lock_ttl=settings.lock_ttl, completed_ttl=settings.completed_ttl
    )
    return QueueService(redis, ledger, queue_name=settings.queue_name, key_prefix=settings.key_prefix)


def new_dispatcher(settings: Settings, processor: AttendanceProcessor) -> Dispatcher:
    """The groups of chunks in a worker."""
    return Dispatcher(
        processor,
        chunk_size=settings.chunk_size,
        # Twice: after a restart of BullMQ's loop, the chunks that it took before may still wait.
        waiting_at_most=2 * settings.worker_concurrency,
    )


def new_sweeper(
    settings: Settings, database: Database, queue: QueueService, completion: Completion, now: Clock
) -> Sweeper:
    """The sweeper of a worker."""
    unreleased = UnreleasedRuns(database, queue.ledger, now, lock_ttl=timedelta(seconds=settings.lock_ttl))
    return Sweeper(
        database,
        queue,
        completion,
        unreleased,
        now,
        interval=settings.sweep_interval,
        grace=timedelta(seconds=settings.sweep_grace),
    )
