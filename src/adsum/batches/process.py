"""AttendanceProcessor: what a worker does with chunks: write, settle, complete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from adsum.batches.complete import Completion, Finishing, RecordedWhole, queued
from adsum.batches.job_outcomes import Reason
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.control import process_name
from adsum.batches.queue.ledger import Settlement
from adsum.batches.queue.service import QueueService
from adsum.batches.repository import jobs, recording, runs
from adsum.batches.repository.jobs import JobSlice, Progress
from adsum.batches.rules import RunState
from adsum.platform.database.engine import Database, RejectedRows
from adsum.platform.errors import Unavailable
from adsum.platform.ids import Batch
from adsum.platform.retries import retry, retry_forever
from adsum.platform.telemetry import LogIcon, logger

# Then each is written alone, and for as long as it takes: what holds one of them up does not hold the others.
TRIES_TOGETHER = 3

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
        await self._end(chunks, await retry_forever(self._write, _slices(chunks)))

    async def process_together(self, chunks: Sequence[Chunk]) -> bool:
        """The same for a group; False: the database would not do it, which may be for one of them, or their number."""
        try:
            found = await retry(TRIES_TOGETHER, self._write, _slices(chunks))
        except Unavailable:
            return False
        await self._end(chunks, found)
        return True

    async def _end(self, chunks: Sequence[Chunk], found: Sequence[Progress]) -> None:
        await self._finish(found, _unknown(chunks, found))
        await self._process_successors(chunks, found)

    async def give_up(self, chunk: Chunk) -> None:
        """Records as failed what is pending of a chunk that killed its worker again and again."""
        await self._finish(await retry_forever(self._fail, [JobSlice(chunk.run_id, chunk.number)], Reason.WORKER_DIED))

    async def _write(self, slices: Sequence[JobSlice]) -> list[Progress]:
        """Writes what these jobs ask for in one transaction; what is rejected is halved until it stands alone."""
        try:
            return await self._write_together(slices)
        except RejectedRows:
            parts = await self._halves(slices)
        if parts is None:
            return await self._fail(slices, Reason.REJECTED)
        return [each for part in parts for each in await self._write(part)]

    async def _write_together(self, slices: Sequence[JobSlice]) -> list[Progress]:
        async with self._database.autocommit_write() as connection:
            found = await recording.record(connection, slices, self._now(), process_name())
        # Here, since nobody else will: if anything fails from now on, the same jobs come again, as of runs that ended.
        for whole in _recorded_whole(found):
            self._completion.tell(whole.batch, whole.run)
        if _is_all_told(slices, found):
            return found
        done = [each for each in found if each.closed]
        closed = {each.run_id for each in done}
        return [*done, *await self._write_what_is_left([each for each in slices if each.run not in closed])]

    async def _write_what_is_left(self, slices: Sequence[JobSlice]) -> list[Progress]:
        """Of runs that are not recorded whole at once: changes, who has a record, who is not enrolled any more."""
        async with self._database.transaction() as connection:
            await recording.insert_records(connection, slices)
            found = await jobs.progress(connection, slices)
            if not _any_pending(found):
                return found
            await recording.update_records(connection, slices)
            await recording.fail_pending(connection, slices, Reason.NOT_ENROLLED, self._now())
            return await jobs.progress(connection, slices)

    async def _fail(self, slices: Sequence[JobSlice], code: str) -> list[Progress]:
        async with self._database.transaction() as connection:
            await recording.fail_pending(connection, slices, code, self._now())
            return await jobs.progress(connection, slices)

    async def _halves(self, slices: Sequence[JobSlice]) -> tuple[Sequence[JobSlice], Sequence[JobSlice]] | None:
        """Half of these jobs and the other half; None: it is one job alone."""
        if len(slices) > 1:
            return slices[: len(slices) // 2], slices[len(slices) // 2 :]
        (only,) = slices
        async with self._database.snapshot() as connection:
            size = sum(len(each.ended) + each.pending for each in await jobs.progress(connection, slices))
        if size <= 1:
            return None
        middle = only.start + size // 2
        return [replace(only, stop=middle)], [replace(only, start=middle)]

    async def _finish(self, found: Sequence[Progress], unknown: Sequence[Finishing] = ()) -> None:
        """Releases what was closed with its last record; settles the others' outcomes with the ledger, and completes
        the runs of which nothing remains, and the unknown.
        """
        whole = _recorded_whole(found)
        await self._completion.release_recorded(whole)
        for each in whole:
            _tell_settled(Settlement(each.batch, each.run.run_id, each.student_ids), remaining=0)
        settlements = [
            Settlement(batch, run_id, students)
            for (batch, run_id), students in _ended(each for each in found if not each.closed).items()
        ]
        remaining = await retry_forever(self._queue.settle_all, settlements) if settlements else []
        for settlement, left in zip(settlements, remaining, strict=True):
            _tell_settled(settlement, left)
        # None: the ledger was lost, or is another run's. To ask the database needlessly does no harm.
        over = [
            Finishing(settlement.batch, settlement.run_id, is_counted=left == 0)
            for settlement, left in zip(settlements, remaining, strict=True)
            if not left
        ]
        await self._completion.complete([*over, *unknown])

    async def _process_successors(self, chunks: Sequence[Chunk], found: Sequence[Progress]) -> None:
        """Processes what BullMQ took for a message that it had.

        One student's message has the same id in every run: while a message of an ended run still waits, that of the
        next run is dropped as its duplicate. So who meets the old one does the work of the new one.
        """
        open_runs = {each.run_id for each in found if each.run_state is RunState.OPEN}
        stale = [chunk for chunk in chunks if chunk.student_id is not None and chunk.run_id not in open_runs]
        for chunk in stale:
            successor = await retry_forever(self._successor, chunk)
            if successor is not None:
                await self.process([successor])

    async def _successor(self, stale: Chunk) -> Chunk | None:
        async with self._database.snapshot() as connection:
            run = await runs.open_run(connection, stale.batch)
        if run is None or run.run_id == stale.run_id:
            return None
        return next((chunk for chunk in queued(run).messages if chunk.message_id == stale.message_id), None)


def _recorded_whole(found: Iterable[Progress]) -> list[RecordedWhole]:
    return [RecordedWhole(each.batch, each.closed, each.ended) for each in found if each.closed]


def _tell_settled(settlement: Settlement, remaining: int | None) -> None:
    log.info(
        "jobs settled",
        mark=LogIcon.COUNTER,
        batch_id=settlement.batch.id,
        run_id=settlement.run_id,
        jobs=len(settlement.student_ids),
        remaining=remaining,
    )


def _slices(chunks: Iterable[Chunk]) -> list[JobSlice]:
    return list(dict.fromkeys(JobSlice(chunk.run_id, chunk.number) for chunk in chunks))


def _is_all_told(slices: Sequence[JobSlice], found: Sequence[Progress]) -> bool:
    """Whether each of these jobs has an outcome by what was inserted alone: so it is, but for what comes again."""
    is_of_each = {each.run for each in slices} == {each.run_id for each in found}
    return is_of_each and not any(each.pending for each in found)


def _any_pending(found: Iterable[Progress]) -> bool:
    return any(each.pending and each.run_state is RunState.OPEN for each in found)


def _ended(found: Iterable[Progress]) -> dict[tuple[Batch, str], list[int]]:
    """The students of each run whose job has an outcome."""
    students: defaultdict[tuple[Batch, str], list[int]] = defaultdict(list)
    for each in found:
        if each.ended:
            students[each.batch, each.run_id] += each.ended
    return students


def _unknown(chunks: Iterable[Chunk], found: Iterable[Progress]) -> list[Finishing]:
    """The runs of which the database has no job: it was restored to a moment before them, while Redis was kept. Their
    batches are freed. Their tickets end by themselves, and keep nobody from claiming.
    """
    known = {each.run_id for each in found}
    unknown = {chunk.run_id: chunk.batch for chunk in chunks if chunk.run_id not in known}
    return [Finishing(batch, run_id, is_counted=False) for run_id, batch in unknown.items()]
