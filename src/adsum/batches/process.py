"""Processes chunks in the worker: records their jobs, settles them with the ledger, and completes their runs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from adsum.batches.complete import Completion
from adsum.batches.job_outcomes import Reason
from adsum.batches.queue.chunks import Chunk, chunks_of
from adsum.batches.queue.ledger import Ledger, Tickets
from adsum.batches.queue.worker import NotNow
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice, SliceOutcome
from adsum.batches.rules import RunState
from adsum.platform.cancellation import end
from adsum.platform.clock import Clock
from adsum.platform.coalescer import Coalescer
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.errors import Unavailable
from adsum.platform.ids import Batch
from adsum.platform.redis.queues import process_name
from adsum.platform.retries import retry, retry_forever
from adsum.platform.telemetry import LogIcon, logger
from adsum.platform.tracing.spans import step

# Attempts for a group. After them each chunk is processed alone, so that one that is held up does not hold the others.
TRIES_TOGETHER = 3
# Stalls of a chunk after which it is processed alone, since it may be what kills its workers, and after which its jobs
# are recorded as failed. One such chunk is processed at a time: every chunk at work when a worker dies stalls once
# more.
ALONE_AFTER = 2
GIVE_UP_AFTER = 5
# Maximum number of rows and of chunks per transaction: other transactions wait for it, on SQLite all of them.
ROWS_AT_MOST = 32_000
CHUNKS_AT_MOST = 64

log = logger(__name__)

_Settling: TypeAlias = "asyncio.Task[None]"
"""Settles the chunks of a recorded group."""


class AttendanceProcessor:
    """Processes chunks. `now` is the clock."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        completion: Completion,
        now: Clock,
    ) -> None:
        self._database = database
        self.shards = ledger.shards
        self._ledger = ledger
        self._completion = completion
        self._now = now

    async def process(self, chunks: Sequence[Chunk]) -> None:
        """Gives every job of these chunks an outcome, settles it, and completes the runs that have no job left.

        An outage of the database or of Redis is not a failure: operations are retried until it is over, with growing
        pauses. Processing a chunk again, or twice at once, changes nothing.
        """
        await self.settle_and_complete(chunks, await retry_forever(self._record, _slices(chunks)))

    async def record_together(self, chunks: Sequence[Chunk]) -> Sequence[SliceOutcome] | None:
        """Records the jobs of a group. The caller has to settle the chunks.

        Returns:
            The outcomes; None: the database was unavailable, which may be due to one chunk or to their number.
        """
        try:
            return await retry(TRIES_TOGETHER, self._record, _slices(chunks))
        except Unavailable:
            return None

    async def give_up(self, chunk: Chunk) -> None:
        """Gives the pending jobs of a chunk that has killed its workers repeatedly the outcome failed."""
        slices = [JobSlice(chunk.run_id, chunk.number)]
        await self._finish(await retry_forever(self._fail, slices, Reason.WORKER_DIED), {})

    async def settle_and_complete(self, chunks: Sequence[Chunk], outcomes: Sequence[SliceOutcome]) -> None:
        """Settles recorded chunks, and completes the runs that have no job left."""
        await self._finish(outcomes, _unknown_runs(chunks, outcomes))
        await self._process_successors(chunks, outcomes)

    async def _record(self, slices: Sequence[JobSlice]) -> list[SliceOutcome]:
        """Records jobs in one transaction. Rejected jobs are halved until the one that is rejected is alone."""
        try:
            return await self._record_together(slices)
        except RejectedRows:
            halves = await self._halves(slices)
        if halves is None:
            return await self._fail(slices, Reason.REJECTED)
        return [outcome for half in halves for outcome in await self._record(half)]

    async def _record_together(self, slices: Sequence[JobSlice]) -> list[SliceOutcome]:
        with step("record", self._database.span_attributes, kind="client"):
            async with self._database.autocommit_write() as connection:
                outcomes = await jobs.record_jobs(connection, slices, self._now(), process_name())
        # Logged here: if anything fails from now on, the same jobs are delivered again, and their run has ended by
        # then.
        for each in outcomes:
            if each.closed:
                self._completion.log_completed(each.batch, each.closed)
        if _have_all_outcomes(slices, outcomes):
            return outcomes
        closed = [each for each in outcomes if each.closed]
        closed_ids = {each.run_id for each in closed}
        return [*closed, *await self._record_rest([each for each in slices if each.run_id not in closed_ids])]

    async def _record_rest(self, slices: Sequence[JobSlice]) -> list[SliceOutcome]:
        """Records runs that inserting does not finish: updates, existing records, students no longer enrolled."""
        run_ids = dict.fromkeys(each.run_id for each in slices)
        with step("record rest", self._database.span_attributes, kind="client", run_ids=run_ids):
            async with self._database.transaction() as connection:
                await jobs.insert_records(connection, slices)
                outcomes = await jobs.slice_outcomes(connection, slices)
                if not any(each.pending and each.run_state is RunState.OPEN for each in outcomes):
                    return outcomes
                await jobs.update_records(connection, slices)
                await jobs.fail_pending_jobs(connection, slices, Reason.NOT_ENROLLED, self._now())
                return await jobs.slice_outcomes(connection, slices)

    async def _fail(self, slices: Sequence[JobSlice], code: str) -> list[SliceOutcome]:
        async with self._database.transaction() as connection:
            await jobs.fail_pending_jobs(connection, slices, code, self._now())
            return await jobs.slice_outcomes(connection, slices)

    async def _halves(self, slices: Sequence[JobSlice]) -> tuple[Sequence[JobSlice], Sequence[JobSlice]] | None:
        """The two halves of these jobs; None: it is a single job."""
        if len(slices) > 1:
            return slices[: len(slices) // 2], slices[len(slices) // 2 :]
        (only,) = slices
        async with self._database.snapshot() as connection:
            size = sum(len(each.ended) + each.pending for each in await jobs.slice_outcomes(connection, slices))
        if size <= 1:
            return None
        middle = only.start + size // 2
        return [replace(only, stop=middle)], [replace(only, start=middle)]

    async def _finish(self, outcomes: Sequence[SliceOutcome], unknown: dict[str, Batch]) -> None:
        """Releases the runs that were closed with their last record. Settles the outcomes of the others, and completes
        the runs of which nothing remains, and the unknown runs.
        """
        closed = [each for each in outcomes if each.closed]
        await self._completion.release_recorded(closed)
        for each in closed:
            _log_settled(Tickets(each.batch, each.run_id, each.ended), remaining=0)
        settlements = _ended_tickets(each for each in outcomes if not each.closed)
        remaining = await retry_forever(self._ledger.settle_all, settlements) if settlements else []
        counted, uncounted = dict[str, Batch](), dict[str, Batch]()
        for tickets, left in zip(settlements, remaining, strict=True):
            _log_settled(tickets, left)
            if left == 0:
                counted[tickets.run_id] = tickets.batch
            elif left is None:  # the ledger is lost or belongs to another run: the database decides
                uncounted[tickets.run_id] = tickets.batch
        await self._completion.complete(counted, uncounted | unknown)

    async def _process_successors(self, chunks: Sequence[Chunk], outcomes: Sequence[SliceOutcome]) -> None:
        """Processes messages that BullMQ has dropped as duplicates.

        With a chunk size of 1, the message of a student has the same id in every run. While the message of an ended run
        waits, that of the next run is dropped. So a worker that receives the old message does the work of the new one.
        """
        open_runs = {each.run_id for each in outcomes if each.run_state is RunState.OPEN}
        stale = [chunk for chunk in chunks if chunk.student_id is not None and chunk.run_id not in open_runs]
        for chunk in stale:
            successor = await retry_forever(self._find_successor, chunk)
            if successor is not None:
                await self.process([successor])

    async def _find_successor(self, stale: Chunk) -> Chunk | None:
        async with self._database.snapshot() as connection:
            run = await runs.open_run(connection, stale.batch)
        if run is None or run.run_id == stale.run_id:
            return None
        return next((chunk for chunk in chunks_of(run) if chunk.message_id == stale.message_id), None)


class Dispatcher:
    """Decides how a chunk is processed: in a group, alone, or given up.

    The database records one group after another. Each group is settled, which is mostly the work of Redis, while the
    next one is recorded. That is as safe as two workers: every step that settles, closes or releases a run is
    conditional, so that their order does not matter.

    Args:
        processor: processes the chunks.
        chunk_size: maximum number of students per chunk.
        waiting_at_most: maximum number of chunks that wait for a group; a worker takes no more than its concurrency.
    """

    def __init__(self, processor: AttendanceProcessor, *, chunk_size: int, waiting_at_most: int) -> None:
        self._processor = processor
        self._suspect = asyncio.Lock()
        at_most = max(1, min(CHUNKS_AT_MOST, ROWS_AT_MOST // chunk_size))
        # The chunks of a group are of one shard, so that none waits for the server of another one.
        self._groups: list[Coalescer[Chunk, _Settling | None]] = [
            Coalescer(self._record, at_most=at_most, waiting_at_most=waiting_at_most) for _ in processor.shards
        ]
        self._settling: set[_Settling] = set()

    async def take(self, chunk: Chunk, stalls: int) -> None:
        """Processes a chunk that has stalled `stalls` times.

        Raises:
            NotNow: it may have killed its workers, and another such chunk is being processed.
        """
        if stalls >= GIVE_UP_AFTER:
            await self._processor.give_up(chunk)
        elif stalls >= ALONE_AFTER:
            await self._process_suspect(chunk)
        elif not await self._process_in_group(chunk):
            await self._processor.process([chunk])

    async def close(self) -> None:
        """Cancels the groups that are processed and the waiting chunks. Call it after the last chunk."""
        try:
            for each in self._groups:
                await each.close()
        finally:
            await end(self._settling)

    async def _process_suspect(self, chunk: Chunk) -> None:
        if self._suspect.locked():
            raise NotNow
        async with self._suspect:
            await self._processor.process([chunk])

    async def _process_in_group(self, chunk: Chunk) -> bool:
        """Returns False if the chunk has to be processed alone, since its group failed."""
        settling = await self._groups[self._processor.shards.of(chunk.batch.session_id).number].submit(chunk)
        if settling is None:
            return False
        await asyncio.wait(
            [settling]
        )  # a cancelled caller does not cancel it: the others of the group wait for it, too
        return settling.exception() is None

    async def _record(self, chunks: Sequence[Chunk]) -> Sequence[_Settling | None]:
        outcomes = await self._processor.record_together(chunks)
        if outcomes is None:
            return [None] * len(chunks)
        settling = asyncio.create_task(self._processor.settle_and_complete(chunks, outcomes))
        self._settling.add(settling)
        settling.add_done_callback(self._end_settling)
        return [settling] * len(chunks)

    def _end_settling(self, settling: _Settling) -> None:
        self._settling.discard(settling)
        if not settling.cancelled() and (error := settling.exception()):
            log.error("settling failed, chunks are processed alone", mark=LogIcon.ERROR, error=type(error).__name__)


def _log_settled(tickets: Tickets, remaining: int | None) -> None:
    log.info(
        "jobs settled",
        mark=LogIcon.COUNTER,
        batch_id=tickets.batch.id,
        run_id=tickets.run_id,
        jobs=len(tickets.student_ids),
        remaining=remaining,
    )


def _slices(chunks: Iterable[Chunk]) -> list[JobSlice]:
    return list(dict.fromkeys(JobSlice(chunk.run_id, chunk.number) for chunk in chunks))


def _have_all_outcomes(slices: Sequence[JobSlice], outcomes: Sequence[SliceOutcome]) -> bool:
    """Whether inserting gave each of these jobs an outcome: the usual case, except for chunks that come again."""
    is_of_each = {each.run_id for each in slices} == {each.run_id for each in outcomes}
    return is_of_each and not any(each.pending for each in outcomes)


def _ended_tickets(outcomes: Iterable[SliceOutcome]) -> list[Tickets]:
    """By run, the tickets of the jobs that have an outcome."""
    students: defaultdict[tuple[Batch, str], list[int]] = defaultdict(list)
    for each in outcomes:
        if each.ended:
            students[each.batch, each.run_id] += each.ended
    return [Tickets(batch, run_id, ended) for (batch, run_id), ended in students.items()]


def _unknown_runs(chunks: Iterable[Chunk], outcomes: Iterable[SliceOutcome]) -> dict[str, Batch]:
    """Runs of which the database has no job: it was restored to a moment before them, and Redis was not.

    Their batches are released. Their tickets expire, and prevent no claim.
    """
    known = {each.run_id for each in outcomes}
    return {chunk.run_id: chunk.batch for chunk in chunks if chunk.run_id not in known}
