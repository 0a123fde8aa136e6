"""Builds the parts of the engine that the settings configure, for `adsum.wiring` and for `adsum doctor`."""

from __future__ import annotations

from datetime import timedelta

from adsum.batches.complete import Completion
from adsum.batches.process import AttendanceProcessor, Dispatcher
from adsum.batches.queue.control import QueueControl
from adsum.batches.queue.ledger import Ledger
from adsum.batches.queue.service import QueueService
from adsum.batches.sweep import Sweeper, UnreleasedRuns
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.redis.connection import RedisClient
from adsum.platform.settings import Settings


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
