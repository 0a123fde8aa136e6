"""The ledger of a batch in Redis: lock, counter, tickets, completion marker. Three scripts, each atomic.

It tells a worker "you were the last"; it decides nothing. Whatever it loses, the database knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, ResponseError

from adsum.batches.queue.keys import LedgerKeys
from adsum.platform.ids import Batch
from adsum.platform.redis.connection import translated

LEADER = "attendance-sweeper"
SPOILT = ("WRONGTYPE", "value is not an integer")

Call = tuple[list[str], list[str | int]]
"""The keys and the arguments of a script."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run asks of the ledger.

    Attributes:
        batch: whose ledger it is.
        run_id: the run that claims.
        student_ids: of the jobs that are to be counted.
    """

    batch: Batch
    run_id: str
    student_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Settlement:
    """Jobs of a run that have an outcome: the students, to be counted as done."""

    batch: Batch
    run_id: str
    student_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Release:
    """A run that ended, and the students of those of its tickets that may be left.

    To be made only after the database says that the run ended: so the completion marker implies the database.
    `completed_at` None: it was cancelled, and leaves no marker.
    """

    batch: Batch
    run_id: str
    student_ids: Sequence[int]
    completed_at: datetime | None


def holder_told(reply: object) -> str | None:
    """What a claim is answered: None when its run holds the lock now, or did before; else the run that holds it, and
    nothing was changed.
    """
    return str(reply) or None


class Ledger:
    """`redis` is the client that it works on; times to live are in seconds."""

    def __init__(self, redis: Redis, key_prefix: str, *, lock_ttl: int, completed_ttl: int) -> None:
        self.redis = redis
        self._key_prefix = key_prefix
        self._lock_ttl = lock_ttl
        self._completed_ttl = completed_ttl
        self._claim = load_script(redis, "claim")
        self._settle = load_script(redis, "settle")
        self._release = load_script(redis, "release")

    async def claim(self, claim: Claim, pipe: Pipeline) -> None:
        """Takes lock, counter and tickets for a run, with whatever else goes in this pipeline.

        What it is answered, `holder_told` reads.
        """
        keys = LedgerKeys(self._key_prefix, claim.batch)
        names = [keys.lock, keys.counter, *map(keys.ticket, claim.student_ids)]
        await self._claim(names, [claim.run_id, self._lock_ttl], pipe)

    async def take_over(self, ended: Release, run_id: str) -> bool:
        """Releases a run that has ended and gives its lock to another one: the lock alone, since some jobs of that run
        may be done by now. Without a counter the database counts them.

        Returns:
            Whether it has the lock; else somebody else took it meanwhile.
        """
        with translated():
            async with self.redis.pipeline(transaction=False) as pipe:
                await self._release(*self._release_call(ended), pipe)
                pipe.set(LedgerKeys(self._key_prefix, ended.batch).lock, run_id, ex=self._lock_ttl, nx=True)
                _, is_taken = await pipe.execute()
        return bool(is_taken)

    async def settle_all(self, settlements: Sequence[Settlement]) -> list[int | None]:
        """Counts jobs of runs as done, in one pipeline. Doing it twice counts once, since each ticket can be taken away
        only once.

        Returns:
            For each how many jobs of its run remain; 0 also to whoever settles the last chunk again. None when the run
            does not hold the lock, or the ledger was lost or spoilt: then only the database knows.
        """
        calls = [self._settle_call(settlement) for settlement in settlements]
        left = await self._together(self._settle, calls)
        return [each if isinstance(each, int) and each >= 0 else None for each in left]

    def _settle_call(self, settlement: Settlement) -> Call:
        keys = LedgerKeys(self._key_prefix, settlement.batch)
        names = [keys.lock, keys.counter, *map(keys.ticket, settlement.student_ids)]
        return names, [settlement.run_id, self._lock_ttl]

    async def _together(self, script: AsyncScript, calls: Sequence[Call]) -> list[Any]:
        """Calls a script for each in one pipeline. A key of the wrong kind, which only somebody else can have made,
        is the error of its own call, and returned as such; every other error is an outage.
        """
        with translated():
            try:
                return await self._pipelined(script, calls)
            except NoScriptError:  # the server has restarted, or forgot; what was done may be done again
                await self.redis.script_load(script.script)
                return await self._pipelined(script, calls)

    async def _pipelined(self, script: AsyncScript, calls: Sequence[Call]) -> list[Any]:
        async with self.redis.pipeline(transaction=False) as pipe:
            for keys, args in calls:
                pipe.evalsha(script.sha, len(keys), *keys, *args)
            results = await pipe.execute(raise_on_error=False)
        for result in results:
            if isinstance(result, Exception) and not _is_spoilt(result):
                raise result
        return results

    async def renew(self, held: Sequence[tuple[Batch, str, Sequence[int]]]) -> None:
        """Gives what runs hold its full time to live again, where half of it is over; what is gone stays gone."""
        keys = [LedgerKeys(self._key_prefix, batch) for batch, _, _ in held]
        with translated():
            async with self.redis.pipeline(transaction=False) as pipe:
                for each in keys:
                    pipe.ttl(each.lock)
                left = await pipe.execute()
                for each, seconds, (_, _, student_ids) in zip(keys, left, held, strict=True):
                    if 0 <= seconds < self._lock_ttl / 2:
                        for key in (each.lock, each.counter, *map(each.ticket, student_ids)):
                            pipe.expire(key, self._lock_ttl)
                await pipe.execute()

    async def holders(self, batches: Sequence[Batch]) -> list[str | None]:
        """The run that holds each batch, if one does."""
        if not batches:
            return []
        with translated():
            found = await self.redis.mget([LedgerKeys(self._key_prefix, batch).lock for batch in batches])
        return [None if holder is None else str(holder) for holder in found]

    async def lead(self, candidate: str, seconds: float) -> bool:
        """Takes or keeps the place of the one who sweeps."""
        key, milliseconds = f"{self._key_prefix}{LEADER}", round(seconds * 1000)
        with translated():
            if await self.redis.set(key, candidate, nx=True, px=milliseconds):
                return True
            if await self.redis.get(key) != candidate:
                return False
            return bool(await self.redis.pexpire(key, milliseconds))

    async def release_all(self, releases: Sequence[Release]) -> list[bool]:
        """Frees the batches of runs that ended, in one pipeline, and leaves the completion marker of those that
        completed, unless that of a later run is there.

        Returns:
            For each whether the run held the lock.
        """
        held = await self._together(self._release, [self._release_call(release) for release in releases])
        return [each == 1 for each in held]

    def _release_call(self, release: Release) -> Call:
        keys = LedgerKeys(self._key_prefix, release.batch)
        completed = release.completed_at.isoformat() if release.completed_at else ""
        names = [keys.lock, keys.counter, keys.marker, *map(keys.ticket, release.student_ids)]
        return names, [release.run_id, completed, self._completed_ttl]


def _is_spoilt(error: Exception) -> bool:
    """Whether a script met a key that holds what no script of ours writes: WRONGTYPE, or a counter of letters."""
    return isinstance(error, ResponseError) and any(piece in str(error) for piece in SPOILT)


def load_script(redis: Redis, name: str) -> AsyncScript:
    """One of the scripts beside this module."""
    return redis.register_script(files("adsum.batches.queue").joinpath(f"{name}.lua").read_text(encoding="utf-8"))
