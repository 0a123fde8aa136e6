"""Dispatcher: chunks that arrive together are processed together; a stalled one is processed alone, and finally given
up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from adsum.batches.process import ALONE_AFTER, GIVE_UP_AFTER, AttendanceProcessor
from adsum.batches.queue.chunks import Chunk, chunks_of
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.queue.service import RunToEnqueue
from adsum.batches.queue.worker import NotNow
from adsum.batches.repository.jobs import JobSlice, SliceOutcome
from adsum.batches.rules import BatchState, Tally
from adsum.batches.run import Run
from adsum.platform.database.engine import StorageOutage
from adsum.platform.ids import Batch
from adsum.wiring import Adsum
from tests.batches.test_process import refuse
from tests.support.installation import queue_keys
from tests.support.runs import DAY, inserts, make_run
from tests.support.schools import SchoolIds
from tests.support.submissions import failed_students
from tests.support.waiting import until

RUNS = 8


@pytest.fixture
async def made(adsum: Adsum, school: SchoolIds) -> list[Run]:
    """Runs of one class on different days, in two chunks each; accepted and enqueued."""
    days = [Batch(school.class_id, school.session_id, DAY + timedelta(number)) for number in range(RUNS)]
    async with adsum.database.transaction() as connection:
        runs = [
            await make_run(connection, school, inserts(school.student_ids), batch=day, chunk_size=20) for day in days
        ]
    stalled = [RunToEnqueue(each.batch, each.run_id, each.student_ids, chunks_of(each)) for each in runs]
    assert not any(await adsum.queue.claim_and_enqueue(stalled))
    return runs


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[Chunk]]:
    """The groups that were processed."""
    noted: list[Sequence[Chunk]] = []
    settle = AttendanceProcessor.settle_and_complete

    async def noting(self: AttendanceProcessor, chunks: Sequence[Chunk], found: Sequence[SliceOutcome]) -> None:
        noted.append(chunks)
        await settle(self, chunks, found)

    monkeypatch.setattr(AttendanceProcessor, "settle_and_complete", noting)
    return noted


@pytest.fixture
def can_settle(monkeypatch: pytest.MonkeyPatch, made: list[Run]) -> asyncio.Event:
    """Chunks of the first run settle when it is set."""
    is_set, settle = asyncio.Event(), AttendanceProcessor.settle_and_complete

    async def waiting(self: AttendanceProcessor, chunks: Sequence[Chunk], found: Sequence[SliceOutcome]) -> None:
        if any(chunk.batch == made[0].batch for chunk in chunks):
            await is_set.wait()
        await settle(self, chunks, found)

    monkeypatch.setattr(AttendanceProcessor, "settle_and_complete", waiting)
    return is_set


async def tallies_of(adsum: Adsum, runs: Sequence[Run]) -> list[Tally]:
    return [(await adsum.attendances.get_batch_status(run.batch.id)).tally for run in runs]


async def is_recorded(adsum: Adsum, run: Run) -> bool:
    return (await tallies_of(adsum, [run])) == [Tally(recorded=30)]


def all_chunks(runs: Sequence[Run]) -> list[Chunk]:
    return [chunk for run in runs for chunk in chunks_of(run)]


async def test_chunks_that_arrive_together_are_processed_together_and_leave_only_markers(
    adsum: Adsum, made: list[Run], redis: Redis, groups: list[Sequence[Chunk]]
) -> None:
    chunks = all_chunks(made)
    await asyncio.gather(*(adsum.dispatcher.take(chunk, 0) for chunk in chunks))
    assert [each for group in groups for each in group] == chunks
    assert len(groups) <= 2
    assert await tallies_of(adsum, made) == [Tally(recorded=30)] * RUNS
    left = {key for key in await queue_keys(redis) if "bull:" not in key}
    assert left == {LedgerKeys("", run.batch).marker for run in made}


async def test_a_group_is_recorded_while_the_one_before_settles(
    adsum: Adsum, made: list[Run], can_settle: asyncio.Event
) -> None:
    first = [asyncio.create_task(adsum.dispatcher.take(chunk, 0)) for chunk in chunks_of(made[0])]
    await until(lambda: is_recorded(adsum, made[0]))
    await asyncio.gather(*(adsum.dispatcher.take(chunk, 0) for chunk in all_chunks(made[1:])))
    assert await tallies_of(adsum, made) == [Tally(recorded=30)] * RUNS
    assert not any(each.done() for each in first)
    can_settle.set()
    await asyncio.gather(*first)


async def test_a_cancelled_delivery_does_not_cancel_the_others_of_its_group(
    adsum: Adsum, made: list[Run], can_settle: asyncio.Event, redis: Redis
) -> None:
    cancelled, other = [asyncio.create_task(adsum.dispatcher.take(chunk, 0)) for chunk in chunks_of(made[0])]
    await until(lambda: is_recorded(adsum, made[0]))
    cancelled.cancel()
    await asyncio.wait([cancelled])
    can_settle.set()
    await other
    assert cancelled.cancelled()
    assert await redis.exists(LedgerKeys("", made[0].batch).lock) == 0


async def test_chunks_of_a_group_whose_settling_fails_are_processed_alone(
    adsum: Adsum, made: list[Run], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settle = AttendanceProcessor.settle_and_complete

    async def failing(self: AttendanceProcessor, chunks: Sequence[Chunk], found: Sequence[SliceOutcome]) -> None:
        if len(chunks) > 1:
            raise ZeroDivisionError
        await settle(self, chunks, found)

    monkeypatch.setattr(AttendanceProcessor, "settle_and_complete", failing)
    await asyncio.gather(*(adsum.dispatcher.take(chunk, 0) for chunk in all_chunks(made)))
    assert await tallies_of(adsum, made) == [Tally(recorded=30)] * RUNS
    (failure, *_) = [each for each in caplog.records if "settling failed" in each.getMessage()]
    assert "ZeroDivisionError" in str(failure.__dict__)


@pytest.mark.parametrize("stalls", [ALONE_AFTER, GIVE_UP_AFTER - 1])
async def test_a_stalled_chunk_is_processed_alone(
    adsum: Adsum, made: list[Run], groups: list[Sequence[Chunk]], stalls: int
) -> None:
    first, *others = all_chunks(made)
    await asyncio.gather(adsum.dispatcher.take(first, stalls), *(adsum.dispatcher.take(each, 1) for each in others))
    assert [first] in groups
    assert not any(first in group for group in groups if len(group) > 1)
    assert await tallies_of(adsum, made) == [Tally(recorded=30)] * RUNS


async def test_stalled_chunks_are_processed_one_at_a_time(adsum: Adsum, made: list[Run]) -> None:
    chunks = all_chunks(made)
    taken = await asyncio.gather(
        *(adsum.dispatcher.take(chunk, ALONE_AFTER) for chunk in chunks), return_exceptions=True
    )
    assert [type(each) for each in taken] == [type(None)] + [NotNow] * (len(chunks) - 1)
    for chunk in chunks:
        await adsum.dispatcher.take(chunk, ALONE_AFTER)
    assert await tallies_of(adsum, made) == [Tally(recorded=30)] * RUNS


async def test_chunks_of_a_rejected_group_are_written_one_by_one(
    adsum: Adsum, made: list[Run], groups: list[Sequence[Chunk]], monkeypatch: pytest.MonkeyPatch
) -> None:
    write = AttendanceProcessor._record_together  # pyright: ignore[reportPrivateUsage]

    async def refusing_groups(self: AttendanceProcessor, slices: Sequence[JobSlice]) -> list[SliceOutcome]:
        if len(slices) > 1:
            raise StorageOutage("too much for one statement")
        return await write(self, slices)

    monkeypatch.setattr(AttendanceProcessor, "_record_together", refusing_groups)
    await asyncio.gather(*(adsum.dispatcher.take(chunk, 0) for chunk in all_chunks(made)))
    assert {len(group) for group in groups} == {1}
    assert await tallies_of(adsum, made) == [Tally(recorded=30)] * RUNS


async def test_a_chunk_that_stalls_repeatedly_is_given_up(adsum: Adsum, made: list[Run]) -> None:
    run = made[0]
    for chunk in chunks_of(run):
        await adsum.dispatcher.take(chunk, GIVE_UP_AFTER)
    status = await adsum.attendances.get_batch_status(run.batch.id)
    assert (status.state, status.tally) == (BatchState.COMPLETED_WITH_ERRORS, Tally(failed=30))
    assert set(await failed_students(adsum, run)) == {"worker_died"}


async def test_only_the_rejected_student_fails_in_each_run(adsum: Adsum, school: SchoolIds, made: list[Run]) -> None:
    async with adsum.database.transaction() as connection:
        await refuse(connection, school.student_ids[4])
    await asyncio.gather(*(adsum.dispatcher.take(chunk, 0) for chunk in all_chunks(made)))
    assert await tallies_of(adsum, made) == [Tally(recorded=29, failed=1)] * RUNS


async def test_a_run_with_a_corrupted_ledger_is_completed_and_blocks_no_other(
    adsum: Adsum, made: list[Run], redis: Redis
) -> None:
    lock = LedgerKeys("", made[3].batch).lock
    await redis.delete(lock)
    await redis.rpush(lock, "theirs")  # pyright: ignore[reportGeneralTypeIssues]
    await asyncio.gather(*(adsum.dispatcher.take(chunk, 0) for chunk in all_chunks(made)))
    assert await tallies_of(adsum, made) == [Tally(recorded=30)] * RUNS
    assert [await redis.exists(LedgerKeys("", run.batch).lock) for run in made] == [int(n == 3) for n in range(RUNS)]
