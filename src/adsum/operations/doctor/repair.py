"""What `doctor --fix` does: only what is safe at any time, whoever else works."""

from __future__ import annotations

from adsum.batches.queue.control import QueueControl
from adsum.batches.queue.ledger import Release
from adsum.batches.queue.leftovers import Kind, Leftovers
from adsum.batches.queue.service import QueueService
from adsum.batches.sweep import Sweeper
from adsum.operations.doctor.batches import OpenBatches
from adsum.operations.doctor.findings import counted
from adsum.operations.doctor.leftovers import Remains


class Mending:
    """Lifetimes are in seconds. Each method answers with what it has done, in words; nothing where nothing was to do.

    All of it compares before it drops: what somebody took meanwhile stays as it is.
    """

    def __init__(
        self,
        queue: QueueService,
        control: QueueControl,
        leftovers: Leftovers,
        sweeper: Sweeper,
        *,
        lock_ttl: int,
        completed_ttl: int,
    ) -> None:
        self._queue = queue
        self._control = control
        self._leftovers = leftovers
        self._sweeper = sweeper
        self._lock_ttl = lock_ttl
        self._completed_ttl = completed_ttl

    async def clear(self, remains: Remains) -> list[str]:
        """Drops what belongs to nothing, and gives a time to live to what has none."""
        # A counter without a lock is of nobody's run; if there is a lock by now, it stays.
        releases = [
            Release(key.batch, key.holds if key.kind is Kind.LOCK else "", [], None)
            for key in (*remains.locks, *remains.counters)
            if key.batch is not None  # it is in the name
        ]
        await self._queue.release_all(releases)
        await self._leftovers.drop({key.name: key.holds for key in (*remains.tickets, *remains.markers)})
        for kind in Kind:
            names = [key.name for key in remains.immortal if key.kind is kind]
            await self._leftovers.limit(names, self._completed_ttl if kind is Kind.MARKER else self._lock_ttl)
        done = {
            "lock": remains.locks,
            "counter": remains.counters,
            "ticket": remains.tickets,
            "completion marker": remains.markers,
            "lasting key": remains.immortal,
        }
        return [f"cleared {counted(len(keys), what)}" for what, keys in done.items() if keys]

    async def drive_on(self, found: OpenBatches) -> list[str]:
        """Makes BullMQ forget what it keeps and never gives out, then sweeps: what is missing is sent again."""
        failed = await self._control.forget_failed()
        await self._control.forget(found.astray)
        driven = await self._sweeper.sweep()
        done = {"removed": counted(failed + len(found.astray), "message"), "drove on": counted(driven, "batch")}
        return [f"{what} {how_many}" for what, how_many in done.items() if not how_many.startswith("0 ")]
