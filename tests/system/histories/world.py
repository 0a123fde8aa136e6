"""The real services on real servers, with a controlled clock, and processes that die at chosen places."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any, TypeVar

import uvloop
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from typing_extensions import override

from adsum.batches.accept import Acceptance
from adsum.batches.complete import Completion
from adsum.batches.enqueue import Enqueuer
from adsum.batches.process import AttendanceProcessor
from adsum.batches.queue.ledger import Ledger, Tickets
from adsum.batches.queue.service import QueueService
from adsum.batches.retry_cancel import RetryCancel
from adsum.batches.service import AttendancesService
from adsum.batches.sweep import Sweeper, UnreleasedRuns
from adsum.platform.database.engine import open_database
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.shards import Shards
from tests.system.histories.redis_view import RedisView

T = TypeVar("T")
LOCK_TTL, COMPLETED_TTL = 3600, 86400
DEATHS = ("before claim", "after claim", "before settle", "after settle", "before release", "after release")


class Clock:
    """Advances by a millisecond per reading: a history takes less time than the sweeper's overlap."""

    def __init__(self) -> None:
        self._moment = datetime(2025, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._moment += timedelta(milliseconds=1)
        return self._moment

    def jump(self) -> None:
        self._moment += timedelta(hours=2)


class ProcessDied(Exception):
    """The process dies at this place and does nothing more."""


class FailingLedger(Ledger):
    """The ledger of a process that dies before or after the call that `death` names."""

    death: str | None = None

    def __init__(self, redis: Redis, *, lock_ttl: int, completed_ttl: int) -> None:
        super().__init__(Shards.single(redis, ""), lock_ttl=lock_ttl, completed_ttl=completed_ttl)
        self.taken_over = set[str]()

    def weaken(self, name: str, piece: str, instead: str) -> None:
        """Removes a safeguard from one of the scripts."""
        text = files("adsum.batches.queue").joinpath(f"{name}.lua").read_text(encoding="utf-8")
        assert piece in text
        setattr(self, f"_{name}", self.shards[0].redis.register_script(text.replace(piece, instead)))

    def _survive(self, place: str) -> None:
        if self.death == place:
            self.death = None
            raise ProcessDied(place)

    @override
    async def claim(self, tickets: Tickets, pipe: Pipeline) -> None:
        self._survive("before claim")
        await super().claim(tickets, pipe)
        if self.death == "after claim":
            await pipe.execute()  # the pipeline is cut before the next messages
        self._survive("after claim")

    @override
    async def take_over(self, ended: Tickets, run_id: str) -> bool:
        self.taken_over.add(run_id)
        return await super().take_over(ended, run_id)

    @override
    async def settle_all(self, settlements: Sequence[Tickets]) -> list[int | None]:
        self._survive("before settle")
        remaining = await super().settle_all(settlements)
        self._survive("after settle")
        return remaining

    @override
    async def release_all(self, releases: Sequence[Tickets]) -> list[bool]:
        self._survive("before release")
        held = await super().release_all(releases)
        self._survive("after release")
        return held


class World:
    """Servers and services of all histories, opened once. `wait` runs a coroutine."""

    def __init__(self, database_url: str, redis_url: str, *, chunk_size: int) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.clock = Clock()
        self.chunk_size = chunk_size
        self.database = open_database(database_url)
        self.redis = open_redis(redis_url, connections=4, socket_timeout=30)
        self.view = RedisView(self.redis)
        self.ledger = FailingLedger(self.redis, lock_ttl=LOCK_TTL, completed_ttl=COMPLETED_TTL)
        self.queue = QueueService(self.ledger, queue_name="attendance")
        self.completion = Completion(self.database, self.ledger, self.clock)
        self.enqueuer = Enqueuer(self.queue, self.completion)
        self.processor = AttendanceProcessor(self.database, self.ledger, self.completion, self.clock)
        self.acceptance = Acceptance(self.database, self.clock, chunk_size=chunk_size, max_batch_size=100)
        self.attendances = AttendancesService(self.database, self.acceptance, self.enqueuer)
        self.retry_cancel = RetryCancel(self.database, self.enqueuer, self.clock, chunk_size=chunk_size)
        self.sweeper = Sweeper(
            self.database,
            self.queue,
            self.completion,
            UnreleasedRuns(self.database, self.ledger, self.clock, lock_ttl=timedelta(seconds=LOCK_TTL)),
            self.clock,
            interval=1,
            grace=timedelta(0),
        )

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def may_die(self, work: Coroutine[Any, Any, object], death: str | None) -> bool:
        """Runs work in a process that may die. Returns whether it survived."""
        self.ledger.death = death
        try:
            self.wait(work)
        except ProcessDied:
            return False
        finally:
            self.ledger.death = None
        return True

    def close(self) -> None:
        self.wait(self.redis.aclose())
        self.wait(self.database.close())
        self._runner.close()
