"""Retry and cancel over HTTP: only failed jobs, only unprocessed jobs, and safe when concurrent."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, insert, select
from uuid6 import uuid7

from adsum.attendance.tables import attendances
from adsum.batches.rules import RunState
from adsum.batches.tables import batch_runs
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.installation import RunWorker, ended, one_student_away, queue_keys


async def failed_batch(adsum: Adsum, api: Api, worker: RunWorker) -> str:
    """Creates a batch whose first student failed and is enrolled again since."""
    created = await api.create()
    async with one_student_away(adsum, api.school.student_ids[0]), worker():
        await ended(adsum, created.json()["batchId"])
    return created.json()["batchId"]


@pytest.mark.both_databases
async def test_a_retry_records_the_failed_student_only(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    before = (await api.get(f"/attendances/batch-status/{batch_id}")).json()
    assert (before["state"], before["recordedJobs"], before["failedJobs"]) == ("completed_with_errors", 29, 1)
    retried = await api.post(f"/attendances/batches/{batch_id}/retry", None, "office")
    assert (retried.status_code, retried.json()["remainingJobs"], retried.json()["totalJobs"]) == (202, 1, 30)
    async with worker():
        await ended(adsum, batch_id)
    after = (await api.get(f"/attendances/batch-status/{batch_id}")).json()
    assert (after["state"], after["recordedJobs"], after["failedJobs"], after["totalJobs"]) == ("completed", 30, 0, 30)
    assert len(await api.statuses()) == 30


async def test_a_retry_of_an_open_batch_or_without_failures_is_a_conflict(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    created = (await api.create()).json()
    path = f"/attendances/batches/{created['batchId']}/retry"
    early = await api.post(path, None, "office")
    assert (early.status_code, early.json()["code"]) == (409, "batch_is_open")
    async with worker():
        await ended(adsum, created["batchId"])
    needless = await api.post(path, None, "office")
    assert (needless.status_code, needless.json()["code"]) == (409, "nothing_failed")
    assert needless.json()["detail"] == f"no student of batch {created['batchId']} failed"


@pytest.mark.parametrize(("number", "text"), [(1, "1 was"), (2, "2 were")])
async def test_cancelled_students_did_not_fail_and_can_be_marked_again(api: Api, number: int, text: str) -> None:
    created = await api.create(isSelectedAll=False, selectedStudentIds=api.school.student_ids[:number])
    batch_id = created.json()["batchId"]
    await api.post(f"/attendances/batches/{batch_id}/cancel", None, "office")
    refused = await api.post(f"/attendances/batches/{batch_id}/retry", None, "office")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_failed")
    assert refused.json()["detail"] == f"no student of batch {batch_id} failed; {text} cancelled: mark the class again"


async def test_a_failed_student_with_a_later_record_keeps_it(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    async with adsum.database.transaction() as connection:
        other = (await connection.execute(select(attendances).limit(1))).mappings().one()
        theirs = {"student_id": api.school.student_ids[0], "run_id": str(uuid7())}
        record = {name: value for name, value in (dict(other) | theirs).items() if name != "id"}
        await connection.execute(insert(attendances).values(record))
    refused = await api.post(f"/attendances/batches/{batch_id}/retry", None, "office")
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_failed")
    assert refused.json()["detail"].endswith("has no student to retry: those who failed have a record by now")


async def test_ten_concurrent_retries_create_one_run(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    path = f"/attendances/batches/{batch_id}/retry"
    answers = await asyncio.gather(*(api.post(path, None, "office") for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 9}


async def test_a_cancelled_batch_is_not_recorded_and_can_be_submitted_again(
    adsum: Adsum, api: Api, worker: RunWorker, redis: Redis
) -> None:
    created = (await api.create()).json()
    cancelled = await api.post(f"/attendances/batches/{created['batchId']}/cancel", None, "office")
    assert cancelled.status_code == 200
    assert (cancelled.json()["state"], cancelled.json()["cancelledJobs"], cancelled.json()["remainingJobs"]) == (
        "cancelled",
        30,
        0,
    )
    assert {key for key in await queue_keys(redis) if not key.startswith("bull:")} == set()
    again = await api.post(f"/attendances/batches/{created['batchId']}/cancel", None, "office")
    assert (again.status_code, again.json()) == (200, cancelled.json())
    second = await api.create(isSelectedAll=False, selectedStudentIds=api.school.student_ids[:1])
    assert second.status_code == 202
    async with worker():
        await ended(adsum, created["batchId"])
    assert list(await api.statuses()) == api.school.student_ids[:1]


@pytest.mark.parametrize("verb", ["retry", "cancel"])
async def test_retry_and_cancel_require_permission(adsum: Adsum, api: Api, worker: RunWorker, verb: str) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    path = f"/attendances/batches/{batch_id}/{verb}"
    assert (await api.post(path, None, "nobody")).status_code == 401
    assert (await api.post(path, None, "viewer")).status_code == 403
    assert (await api.post(path, None, "operator")).status_code in {200, 202}
    for unknown in ("class-1-session-999-date-25122024", "nonsense"):
        assert (await api.post(f"/attendances/batches/{unknown}/{verb}", None, "office")).status_code == 404


async def test_concurrent_submissions_retries_and_cancellations_leave_one_record_per_student(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    path = f"/attendances/batches/{batch_id}"
    async with worker():
        for _ in range(5):
            await asyncio.gather(
                *(api.create() for _ in range(4)),
                *(api.post(f"{path}/{verb}", None, "office") for verb in ("retry", "cancel") for _ in range(3)),
            )
        await api.create()
        await ended(adsum, batch_id)
    async with adsum.database.snapshot() as connection:
        assert await connection.scalar(select(func.count()).select_from(attendances)) == 30
        states = Counter(await connection.scalars(select(batch_runs.c.state)))
    assert states[RunState.OPEN] == 0
