"""The ledger of a batch in Redis: lock, counter, tickets, completion marker. Three scripts, each atomic.

It tells a worker "you were the last"; it decides nothing. Whatever it loses, the database knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

from adsum.domain.ids import Batch
from adsum.queue.connection import translated
from adsum.queue.keys import LedgerKeys

LEADER = "attendance-sweeper"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run asks of the ledger.

    Attributes:
        batch: whose ledger it is.
        run_id: the run that claims.
        student_ids: of the jobs that are to be counted.
        ended: a run whose lock may be replaced, since the database says that it ended; it never reopens.
    """

    batch: Batch
    run_id: str
    student_ids: Sequence[int]
    ended: str = ""


class Ledger:
    """Times to live are in seconds."""

    def __init__(self, redis: Redis, key_prefix: str, *, lock_ttl: int, completed_ttl: int) -> None:
        self._redis = redis
        self._key_prefix = key_prefix
        self._lock_ttl = lock_ttl
        self._completed_ttl = completed_ttl
        self._claim = load_script(redis, "claim")
        self._settle = load_script(redis, "settle")
        self._release = load_script(redis, "release")

    async def claim_all(self, claims: Sequence[Claim]) -> list[str | None]:
        """Takes lock, counter and tickets for runs, in one pipeline.

        Returns:
            For each None when the run holds the lock now, or did before; else the run that holds it.
        """
        calls = [self._claim_call(claim) for claim in claims]
        with translated():
            try:
                holders = await self._together(calls)
            except NoScriptError:  # the server has restarted, or forgot; what was claimed may be claimed again
                await self._redis.script_load(self._claim.script)
                holders = await self._together(calls)
        return [str(holder) or None for holder in holders]

    async def claim(self, batch: Batch, run_id: str, student_ids: Sequence[int], *, ended: str = "") -> str | None:
        """The same for one run."""
        return (await self.claim_all([Claim(batch, run_id, student_ids, ended)]))[0]

    def _claim_call(self, claim: Claim) -> tuple[list[str], list[str | int]]:
        keys = LedgerKeys(self._key_prefix, claim.batch)
        names = [keys.lock, keys.counter, *map(keys.ticket, claim.student_ids)]
        return names, [claim.run_id, claim.ended, self._lock_ttl]

    async def _together(self, calls: Sequence[tuple[list[str], list[str | int]]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for keys, args in calls:
                pipe.evalsha(self._claim.sha, len(keys), *keys, *args)
            return await pipe.execute()

    async def settle(self, batch: Batch, run_id: str, student_ids: Iterable[int]) -> int | None:
        """Counts jobs of a run as done. Doing it twice counts once, since each ticket can be taken away only once.

        Returns:
            How many jobs remain; 0 also to whoever settles the last chunk again. None when the run does not hold the
            lock, or the ledger was lost: then only the database knows.
        """
        keys = LedgerKeys(self._key_prefix, batch)
        with translated():
            left = await self._settle(
                keys=[keys.lock, keys.counter, *map(keys.ticket, student_ids)], args=[run_id, self._lock_ttl]
            )
        return int(left) if int(left) >= 0 else None

    async def renew(self, held: Sequence[tuple[Batch, str, Sequence[int]]]) -> None:
        """Gives what runs hold its full time to live again, where half of it is over; what is gone stays gone."""
        keys = [LedgerKeys(self._key_prefix, batch) for batch, _, _ in held]
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
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
            found = await self._redis.mget([LedgerKeys(self._key_prefix, batch).lock for batch in batches])
        return [None if holder is None else str(holder) for holder in found]

    async def lead(self, candidate: str, seconds: float) -> bool:
        """Takes or keeps the place of the one who sweeps."""
        key, milliseconds = f"{self._key_prefix}{LEADER}", round(seconds * 1000)
        with translated():
            if await self._redis.set(key, candidate, nx=True, px=milliseconds):
                return True
            if await self._redis.get(key) != candidate:
                return False
            return bool(await self._redis.pexpire(key, milliseconds))

    async def release(
        self, batch: Batch, run_id: str, student_ids: Iterable[int], *, completed_at: datetime | None
    ) -> bool:
        """Frees a batch whose run ended, and leaves the completion marker if it completed.

        To be called only after the database says that the run ended: so the marker implies the database.

        Returns:
            Whether the run held the lock.
        """
        keys = LedgerKeys(self._key_prefix, batch)
        completed = completed_at.isoformat() if completed_at else ""
        with translated():
            held = await self._release(
                keys=[keys.lock, keys.counter, keys.marker, *map(keys.ticket, student_ids)],
                args=[run_id, completed, self._completed_ttl],
            )
        return bool(held)


def load_script(redis: Redis, name: str) -> AsyncScript:
    """One of the scripts beside this module."""
    return redis.register_script(files("adsum.queue").joinpath(f"{name}.lua").read_text(encoding="utf-8"))
