"""The ledger of a batch in Redis: lock, counter, tickets and completion marker, under the seed's keys.

Three scripts change it, each atomically. Its counter is zero for the worker that settles the last job. It decides
nothing: everything that it may lose can be computed from the database. A fourth script moves the position up to which
the runs that ended hold no lock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from operator import attrgetter
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, ResponseError

from adsum.batches.rules import lock_key
from adsum.platform.ids import Batch
from adsum.platform.redis.connection import translated
from adsum.platform.redis.shards import Shard, Shards
from adsum.platform.tracing.spans import TracedStep, step

LEADER = "attendance-sweeper"
RELEASED_UNTIL = "attendance-released-until"
_SPAN_ATTRIBUTES = {"db.system.name": "redis"}
_WRONG_KIND = ("WRONGTYPE", "value is not an integer")

Call = tuple[list[str], list[str | int]]
"""The keys and the arguments of a script."""


# Prefixes of the keys of a batch, beside that of its lock; its id follows.
COUNTER = "attendance-batch-counter:"
MARKER = "batch-completed:"


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The keys of one batch."""

    prefix: str
    batch: Batch

    @property
    def lock(self) -> str:
        return self.prefix + lock_key(self.batch.id)

    @property
    def counter(self) -> str:
        return f"{self.prefix}{COUNTER}{self.batch.id}"

    @property
    def marker(self) -> str:
        return f"{self.prefix}{MARKER}{self.batch.id}"

    def ticket(self, student_id: int) -> str:
        return f"{self.prefix}{self.batch.job_id(student_id)}"


@dataclass(frozen=True, slots=True)
class Tickets:
    """The tickets of a run that are created, counted or removed.

    Attributes:
        batch: of the run.
        run_id: the run.
        student_ids: of the tickets.
        completed_at: of a release, the time of the completion marker; None: the run was cancelled and leaves none.
    """

    batch: Batch
    run_id: str
    student_ids: Sequence[int]
    completed_at: datetime | None = None


def holder_of_reply(reply: object) -> str | None:
    """Reads the reply to a claim. None: the run holds the lock. Else the run that holds it; nothing was changed."""
    return str(reply) or None


class Ledger:
    """The ledger of a batch is in the shard of its session. Times to live are in seconds."""

    def __init__(self, shards: Shards, *, lock_ttl: int, completed_ttl: int) -> None:
        self.shards = shards
        self._lock_ttl = lock_ttl
        self._completed_ttl = completed_ttl
        redis = shards[0].redis  # a script is the same on every server
        self._claim = load_script(redis, "claim")
        self._settle = load_script(redis, "settle")
        self._release = load_script(redis, "release")
        self._released = load_script(redis, "released")

    async def claim(self, tickets: Tickets, pipe: Pipeline) -> None:
        """Adds to a pipeline: take lock, counter and tickets for a run. `holder_of_reply` reads the reply."""
        keys = self._keys(tickets.batch)
        names = [keys.lock, keys.counter, *map(keys.ticket, tickets.student_ids)]
        await self._claim(names, [tickets.run_id, self._lock_ttl], pipe)

    async def take_over(self, ended: Tickets, run_id: str) -> bool:
        """Releases a run that has ended and gives its lock to another run. Only the lock, since some jobs of that run
        may be settled by now; without a counter the database counts them.

        Returns:
            Whether the other run has the lock; False: a third run has taken it meanwhile.
        """
        with translated():
            async with self.shards.of(ended.batch.session_id).redis.pipeline(transaction=False) as pipe:
                await self._release(*self._release_call(ended), pipe)
                pipe.set(self._keys(ended.batch).lock, run_id, ex=self._lock_ttl, nx=True)
                _, is_taken = await pipe.execute()
        return bool(is_taken)

    async def settle_all(self, settlements: Sequence[Tickets]) -> list[int | None]:
        """Counts jobs of runs as done, in one pipeline. A ticket can be removed only once, so that a job that is
        settled twice is counted once.

        Returns:
            For each the number of jobs of its run that remain; 0 also if the last chunk is settled again. None: the run
            does not hold the lock, or the ledger is lost or damaged, so that only the database has the count.
        """
        with _step("settle", settlements):
            left = await self._together(self._settle, settlements, self._settle_call)
        return [each if isinstance(each, int) and each >= 0 else None for each in left]

    def _settle_call(self, settlement: Tickets) -> Call:
        keys = self._keys(settlement.batch)
        names = [keys.lock, keys.counter, *map(keys.ticket, settlement.student_ids)]
        return names, [settlement.run_id, self._lock_ttl]

    async def _together(
        self, script: AsyncScript, tickets: Sequence[Tickets], call_of: Callable[[Tickets], Call]
    ) -> list[Any]:
        """Runs a script once for each of these, in one pipeline per shard. An error about a key of the wrong kind,
        which another program must have written, is the result of its call; every other error is an outage.
        """

        async def run(shard: Shard, its: Sequence[Tickets]) -> list[Any]:
            calls = list(map(call_of, its))
            try:
                return await _pipelined(shard.redis, script, calls)
            except NoScriptError:  # the server has restarted or was flushed; running a script again does no harm
                await shard.redis.script_load(script.script)
                return await _pipelined(shard.redis, script, calls)

        with translated():
            return await self.shards.spread(tickets, _session_of, run)

    async def renew(self, held: Sequence[Tickets]) -> None:
        """Renews the keys that runs hold, once half of their time to live is over. Missing keys are not created."""

        async def renew(shard: Shard, its: Sequence[Tickets]) -> Sequence[int]:
            keys = [LedgerKeys(shard.key_prefix, tickets.batch) for tickets in its]
            async with shard.redis.pipeline(transaction=False) as pipe:
                for each in keys:
                    pipe.ttl(each.lock)
                left: list[int] = await pipe.execute()
                for each, seconds, tickets in zip(keys, left, its, strict=True):
                    if 0 <= seconds < self._lock_ttl / 2:
                        for key in (each.lock, each.counter, *map(each.ticket, tickets.student_ids)):
                            pipe.expire(key, self._lock_ttl)
                await pipe.execute()
            return left

        with translated():
            await self.shards.spread(held, _session_of, renew)

    async def holders(self, batches: Sequence[Batch]) -> list[str | None]:
        """The run that holds each batch, if one does."""

        async def read(shard: Shard, its: Sequence[Batch]) -> list[str | None]:
            found = await shard.redis.mget([LedgerKeys(shard.key_prefix, batch).lock for batch in its])
            return [None if holder is None else str(holder) for holder in found]

        with translated():
            return await self.shards.spread(batches, attrgetter("session_id"), read)

    async def lead(self, shard: Shard, candidate: str, seconds: float) -> bool:
        """Takes or keeps the lock of the leading sweeper of a shard."""
        redis, key, milliseconds = shard.redis, f"{shard.key_prefix}{LEADER}", round(seconds * 1000)
        with translated():
            if await redis.set(key, candidate, nx=True, px=milliseconds):
                return True
            if await redis.get(key) != candidate:
                return False
            return bool(await redis.pexpire(key, milliseconds))

    async def released_until(self, shard: Shard) -> str:
        """The position up to which the runs of a shard that ended hold no lock; empty if Redis has none."""
        with translated():
            # MGET, since a key of another type has no value.
            (position,) = await shard.redis.mget([f"{shard.key_prefix}{RELEASED_UNTIL}"])
        return str(position or "")

    async def move_released(
        self, shard: Shard, ended: Sequence[tuple[str, Batch]], position: str, following: str
    ) -> list[str]:
        """Moves that position from `position` to `following`, if none of the runs that ended between them holds its
        lock.

        Returns:
            The runs that hold their lock.
        """
        locks = [LedgerKeys(shard.key_prefix, batch).lock for _, batch in ended]
        run_ids = [run_id for run_id, _ in ended]
        with translated():
            held = await self._released(
                keys=[f"{shard.key_prefix}{RELEASED_UNTIL}", *locks],
                args=[position, following, self._lock_ttl, *run_ids],
                client=shard.redis,
            )
        return [run_ids[number - 1] for number in held]

    async def release_all(self, releases: Sequence[Tickets]) -> list[bool]:
        """Releases the batches of runs that the database has ended, in one pipeline per shard. Sets the completion
        marker of those that completed, unless the batch has that of a later run.

        Returns:
            For each whether the run held the lock.
        """
        with _step("release", releases):
            held = await self._together(self._release, releases, self._release_call)
        return [each == 1 for each in held]

    def _release_call(self, release: Tickets) -> Call:
        keys = self._keys(release.batch)
        completed = release.completed_at.isoformat() if release.completed_at else ""
        names = [keys.lock, keys.counter, keys.marker, *map(keys.ticket, release.student_ids)]
        return names, [release.run_id, completed, self._completed_ttl]

    def _keys(self, batch: Batch) -> LedgerKeys:
        return LedgerKeys(self.shards.of(batch.session_id).key_prefix, batch)


async def _pipelined(redis: Redis, script: AsyncScript, calls: Sequence[Call]) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipe:
        for keys, args in calls:
            pipe.evalsha(script.sha, len(keys), *keys, *args)
        results = await pipe.execute(raise_on_error=False)
    for result in results:
        if isinstance(result, Exception) and not _is_wrong_kind(result):
            raise result
    return results


def _session_of(tickets: Tickets) -> int:
    return tickets.batch.session_id


def _step(name: str, tickets: Sequence[Tickets]) -> TracedStep:
    return step(name, _SPAN_ATTRIBUTES, kind="client", run_ids=(each.run_id for each in tickets))


def _is_wrong_kind(error: Exception) -> bool:
    """Whether a script found a key of a type, or a counter with a value, that no script of Adsum writes."""
    return isinstance(error, ResponseError) and any(piece in str(error) for piece in _WRONG_KIND)


def load_script(redis: Redis, name: str) -> AsyncScript:
    """A script of this package."""
    return redis.register_script(files("adsum.batches.queue").joinpath(f"{name}.lua").read_text(encoding="utf-8"))
