"""Builds the services of batches, and alone those parts of the engine that `adsum doctor` uses."""

from __future__ import annotations

from collections.abc import Sequence
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
from adsum.batches.sharding.service import EarlierShards, number_of_shards
from adsum.batches.sweep import Sweeper, UnreleasedRuns
from adsum.batches.timeline import Timeline
from adsum.batches.undo import Undo
from adsum.platform.addresses import names_cluster
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.redis.shards import Shards
from adsum.platform.settings import Settings
from adsum.schools.service import Schools
from adsum.servers import OpenServers, open_shards, redis_url

# Of each shard that is looked into.
FEW_CONNECTIONS = 4


@dataclass(frozen=True)
class BatchServices:
    """The engine: batches from a request to completion.

    `sweepers`: one for each shard; `sweeper`: the first, which does the chores.
    """

    queue: QueueService
    queue_control: QueueControl
    attendances: AttendancesService
    processor: AttendanceProcessor
    dispatcher: Dispatcher
    sweeper: Sweeper
    sweepers: Sequence[Sweeper]
    earlier_shards: EarlierShards
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
    queue, control = queue_service(settings, on.shards), queue_control(settings, on.shards)
    completion = Completion(database, queue.ledger, now)
    enqueuer = on.close_at_end(Enqueuer(queue, completion))
    acceptance = on.close_at_end(
        Acceptance(database, now, chunk_size=settings.chunk_size, max_batch_size=settings.max_batch_size)
    )
    attendances = AttendancesService(database, acceptance, enqueuer)
    processor = AttendanceProcessor(database, queue.ledger, completion, now)
    sweepers = new_sweepers(settings, database, queue, completion, now)
    return BatchServices(
        queue=queue,
        queue_control=control,
        attendances=attendances,
        processor=processor,
        dispatcher=on.close_at_end(new_dispatcher(settings, processor)),
        sweeper=sweepers[0],
        sweepers=sweepers,
        earlier_shards=earlier_shards(settings, database, control, on.shards, now),
        retry_cancel=RetryCancel(database, enqueuer, now, chunk_size=settings.chunk_size),
        undo=Undo(database, now),
        batches=Batches(database, on.reader),
        timeline=Timeline(database, queue.ledger),
        progress=on.close_at_end(Progress(database, attendances)),
        activity=ActivityService(database, control, now),
        marks_import=MarksImport(database, attendances, schools),
    )


def queue_control(settings: Settings, shards: Shards) -> QueueControl:
    """The queue as operators see it."""
    return QueueControl(shards, queue_name=settings.queue_name)


def queue_service(settings: Settings, shards: Shards) -> QueueService:
    """The queue and its ledger."""
    ledger = Ledger(shards, lock_ttl=settings.lock_ttl, completed_ttl=settings.completed_ttl)
    return QueueService(ledger, queue_name=settings.queue_name)


async def used_number_of_shards(settings: Settings, database: Database, now: Clock) -> int:
    """See `number_of_shards`."""
    return await number_of_shards(settings.queue_shards, redis_url(settings), database, now)


def earlier_shards(
    settings: Settings, database: Database, control: QueueControl, shards: Shards, now: Clock
) -> EarlierShards:
    """The shards of other numbers."""
    return EarlierShards(
        database,
        control,
        lambda number: open_shards(settings, number, connections=FEW_CONNECTIONS),
        queue_name=settings.queue_name,
        number=len(shards),
        has_cluster=names_cluster(redis_url(settings)),
        began=now(),
    )


def new_dispatcher(settings: Settings, processor: AttendanceProcessor) -> Dispatcher:
    """The groups of chunks in a worker."""
    return Dispatcher(
        processor,
        chunk_size=settings.chunk_size,
        # Twice: after a restart of BullMQ's loop, the chunks that it took before may still wait.
        waiting_at_most=2 * settings.worker_concurrency,
    )


def new_sweepers(
    settings: Settings, database: Database, queue: QueueService, completion: Completion, now: Clock
) -> list[Sweeper]:
    """The sweepers of a worker, in the order of the shards."""
    lock_ttl, grace = timedelta(seconds=settings.lock_ttl), timedelta(seconds=settings.sweep_grace)
    return [
        Sweeper(
            database,
            queue,
            completion,
            UnreleasedRuns(database, queue.ledger, now, lock_ttl=lock_ttl, shard=number),
            now,
            interval=settings.sweep_interval,
            grace=grace,
        )
        for number in range(len(queue.shards))
    ]
