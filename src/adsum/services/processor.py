"""AttendanceProcessor: what a worker does with chunks: write, settle, complete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from adsum.domain.batch_jobs import Reason
from adsum.domain.batches import Outcome, RunState
from adsum.domain.ids import Batch
from adsum.queue.chunks import Chunk
from adsum.queue.service import QueueService
from adsum.services.completion import Completion, queued
from adsum.services.patience import patiently
from adsum.storage import jobs, runs
from adsum.storage.database import Database, RejectedRows
from adsum.storage.jobs import JobOutcome, JobSlice
from adsum.telemetry import Mark, logger

log = logger(__name__)


class AttendanceProcessor:
    """Processes chunks. `now` is the clock."""

    def __init__(
        self,
        database: Database,
        queue: QueueService,
        completion: Completion,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._queue = queue
        self._completion = completion
        self._now = now

    async def process(self, chunks: Sequence[Chunk]) -> None:
        """Ends every job of these chunks with an outcome, counts it, and completes the runs that have none left.

        An outage of the database or of Redis is not a failure: it is waited for, without end, with growing pauses.
        Doing it again, or twice at once, changes nothing.
        """
        found = await patiently(self._write, [JobSlice(chunk.run_id, chunk.number) for chunk in chunks])
        await self._finish(found)
        await self._free_unknown(chunks, found)
        await self._process_successors(chunks, found)

    async def give_up(self, chunk: Chunk) -> None:
        """Records as failed what is pending of a chunk that killed its worker again and again."""
        await self._finish(await patiently(self._fail, [JobSlice(chunk.run_id, chunk.number)], Reason.WORKER_DIED))

    async def _write(self, slices: Sequence[JobSlice]) -> list[JobOutcome]:
        """Writes what these jobs ask for in one transaction; what is rejected is halved until it stands alone."""
        try:
            return await self._write_together(slices)
        except RejectedRows:
            parts = await self._halves(slices)
        if parts is None:
            return await self._fail(slices, Reason.REJECTED)
        return [outcome for part in parts for outcome in await self._write(part)]

    async def _write_together(self, slices: Sequence[JobSlice]) -> list[JobOutcome]:
        async with self._database.transaction() as connection:
            await jobs.insert_records(connection, slices)
            found = await jobs.outcomes(connection, slices)
            if not _any_pending(found):
                return found
            await jobs.update_records(connection, slices)
            await jobs.fail_pending(connection, slices, Reason.NOT_ENROLLED, self._now())
            return await jobs.outcomes(connection, slices)

    async def _fail(self, slices: Sequence[JobSlice], code: str) -> list[JobOutcome]:
        async with self._database.transaction() as connection:
            await jobs.fail_pending(connection, slices, code, self._now())
            return await jobs.outcomes(connection, slices)

    async def _halves(self, slices: Sequence[JobSlice]) -> tuple[Sequence[JobSlice], Sequence[JobSlice]] | None:
        """Half of these jobs and the other half; None: it is one job alone."""
        if len(slices) > 1:
            return slices[: len(slices) // 2], slices[len(slices) // 2 :]
        (only,) = slices
        async with self._database.snapshot() as connection:
            size = len(await jobs.outcomes(connection, slices))
        if size <= 1:
            return None
        middle = only.start + size // 2
        return [replace(only, stop=middle)], [replace(only, start=middle)]

    async def _finish(self, found: Sequence[JobOutcome]) -> None:
        """Settles the outcomes with the ledger, and completes the runs of which nothing remains."""
        for (batch, run_id), students in _ended_jobs(found).items():
            log.info("jobs processed", mark=Mark.JOB, batch_id=batch.id, run_id=run_id, jobs=len(students))
            await patiently(self._settle, batch, run_id, students)

    async def _settle(self, batch: Batch, run_id: str, students: Sequence[int]) -> None:
        remaining = await self._queue.settle(batch, run_id, students)
        log.info("jobs settled", mark=Mark.COUNTER, batch_id=batch.id, jobs=len(students), remaining=remaining)
        # None: the ledger was lost, or is another run's. To ask the database needlessly does no harm.
        if not remaining:
            await self._completion.complete(batch, run_id, is_counted=remaining == 0)

    async def _free_unknown(self, chunks: Sequence[Chunk], found: Sequence[JobOutcome]) -> None:
        """Frees the batches of runs of which the database has no job: it was restored to a moment before them, while
        Redis was kept. Their tickets end by themselves, and keep nobody from claiming.
        """
        known = {outcome.run_id for outcome in found}
        for chunk in chunks:
            if chunk.run_id not in known:
                await patiently(self._completion.complete, chunk.batch, chunk.run_id, is_counted=False)

    async def _process_successors(self, chunks: Sequence[Chunk], found: Sequence[JobOutcome]) -> None:
        """Processes what BullMQ took for a message that it had.

        One student's message has the same id in every run: while a message of an ended run still waits, that of the
        next run is dropped as its duplicate. So who meets the old one does the work of the new one.
        """
        open_runs = {outcome.run_id for outcome in found if outcome.run_state is RunState.OPEN}
        stale = [chunk for chunk in chunks if chunk.student_id is not None and chunk.run_id not in open_runs]
        for chunk in stale:
            successor = await patiently(self._successor, chunk)
            if successor is not None:
                await self.process([successor])

    async def _successor(self, stale: Chunk) -> Chunk | None:
        async with self._database.snapshot() as connection:
            run = await runs.open_run(connection, stale.batch)
        if run is None or run.run_id == stale.run_id:
            return None
        return next((chunk for chunk in queued(run).messages if chunk.message_id == stale.message_id), None)


def _any_pending(found: Iterable[JobOutcome]) -> bool:
    return any(each.outcome is Outcome.PENDING and each.run_state is RunState.OPEN for each in found)


def _ended_jobs(found: Iterable[JobOutcome]) -> dict[tuple[Batch, str], list[int]]:
    """The students of each run whose job has an outcome."""
    students: defaultdict[tuple[Batch, str], list[int]] = defaultdict(list)
    for each in found:
        if each.outcome is not Outcome.PENDING:
            students[each.batch, each.run_id].append(each.student_id)
    return students
