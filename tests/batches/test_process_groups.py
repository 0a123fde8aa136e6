"""Groups of chunks of several batches: completely recorded runs finish at once, independently of the others."""

from __future__ import annotations

import logging

import pytest
from redis.asyncio import Redis

from adsum.accounts.access import system_caller
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.queue.ledger import Ledger
from adsum.batches.repository.runs import find_runs
from adsum.batches.rules import BatchState
from adsum.batches.run import Run
from adsum.wiring import Adsum
from tests.support.installation import one_student_away, queue_keys
from tests.support.schools import SchoolIds
from tests.support.submissions import submission

DAYS = ("2024-12-23", "2024-12-24", "2024-12-25")


async def accepted(adsum: Adsum, school: SchoolIds) -> list[Run]:
    """The same class on three days."""
    runs: list[Run] = []
    for day in DAYS:
        result = await adsum.attendances.create_batch(submission(school, learning_date=day), system_caller())
        assert result.run_id is not None
        async with adsum.database.snapshot() as connection:
            run = (await find_runs(connection, [result.run_id]))[result.run_id]
        runs.append(run)
    return runs


async def test_each_run_of_a_group_is_completed_once_even_if_one_has_a_failure(
    adsum: Adsum, school: SchoolIds, redis: Redis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, settled = await accepted(adsum, school), list[str]()
    keep_settling = Ledger.settle_all

    async def settle_all(ledger: Ledger, settlements: list[object]) -> object:
        settled.extend(each.run_id for each in settlements)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]
        return await keep_settling(ledger, settlements)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Ledger, "settle_all", settle_all)
    caplog.set_level(logging.INFO)
    # One run has already ended with a failed student, and its chunk is delivered again with the others.
    async with one_student_away(adsum, school.student_ids[0]):
        await adsum.processor.process(chunks_of(made[1]))
    assert settled == [made[1].run_id]
    caplog.clear()

    await adsum.processor.process([message for run in made for message in chunks_of(run)])

    assert settled == [made[1].run_id] * 2, "what is recorded whole is not settled, since nothing is left to be counted"
    messages = [record.message for record in caplog.records]
    assert sum("batch completed" in each for each in messages) == 2
    assert sum("jobs settled" in each for each in messages) == 3
    states = [(await adsum.attendances.get_batch_status(run.batch.id)).state for run in made]
    assert states == [BatchState.COMPLETED, BatchState.COMPLETED_WITH_ERRORS, BatchState.COMPLETED]
    assert {key.split(":")[0] for key in await queue_keys(redis) if "bull" not in key} == {"batch-completed"}
