"""A run ended without being released. Its lock does not harm the next run."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from adsum.accounts.access import system_caller
from adsum.batches.complete import Completion
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.repository import runs
from adsum.batches.rules import BatchState
from adsum.batches.run import Run
from adsum.platform.database.engine import StorageOutage
from adsum.wiring import Adsum
from tests.support.installation import RunWorker, ended, queue_keys
from tests.support.runs import batch_of
from tests.support.schools import SchoolIds
from tests.support.submissions import submission

SYSTEM = system_caller()


@pytest.fixture
async def cancelled(adsum: Adsum, school: SchoolIds) -> Run:
    """A cancelled run whose process died before its release."""
    await adsum.attendances.create_batch(submission(school), SYSTEM)
    async with adsum.database.transaction() as connection:
        run = await runs.open_run(connection, batch_of(school))
        assert run is not None
        assert await runs.cancel_run(connection, run, datetime.now(UTC))
    return run


async def test_the_next_run_takes_over_the_lock_of_an_ended_run(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker, cancelled: Run
) -> None:
    keys = LedgerKeys("", cancelled.batch)
    assert await redis.get(keys.lock) == cancelled.run_id
    result = await adsum.attendances.create_batch(submission(school), SYSTEM)
    assert await redis.get(keys.lock) == result.run_id
    async with worker():
        assert (await ended(adsum, result.batch_id)).state is BatchState.COMPLETED
    assert list(await queue_keys(redis)) == [keys.marker]


async def test_a_run_that_cannot_take_over_the_lock_is_enqueued_and_completed(
    adsum: Adsum,
    school: SchoolIds,
    redis: Redis,
    worker: RunWorker,
    cancelled: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(*_: object) -> bool:
        raise StorageOutage("the database is away just now")

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(Completion, "take_over", fail)
    result = await adsum.attendances.create_batch(submission(school), SYSTEM)
    assert "batch queued, and another run holds its lock" in caplog.messages
    async with worker():
        status = await ended(adsum, result.batch_id)
    assert (status.state, status.run_id) == (BatchState.COMPLETED, result.run_id)
    assert status.completed_at is not None
    keys = LedgerKeys("", cancelled.batch)
    await adsum.sweeper.sweep()
    assert await queue_keys(redis) == {keys.marker: status.completed_at.isoformat()}
