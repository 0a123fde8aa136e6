"""`Idempotency-Key`: the same key and body return the first response, even if the state has changed since."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from adsum.wiring import Adsum
from tests.attendance.corrections.conftest import Register
from tests.support.api import Api
from tests.support.installation import RunWorker, ended, one_student_away


@pytest.mark.both_databases
async def test_the_same_key_and_body_return_the_first_response_again(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    one = api.school.student_ids[0]
    first = await api.create(key="monday", unselectedStudentIds=[one], onExisting="update")
    async with worker():
        await ended(adsum, first.json()["batchId"])
        await api.create(isSelectedAll=False, selectedStudentIds=[one], onExisting="update")
        await ended(adsum, first.json()["batchId"])
    again = await api.create(key="monday", unselectedStudentIds=[one], onExisting="update")
    assert (again.status_code, again.json()) == (202, first.json())
    assert (await api.statuses())[one] == "present"


async def test_the_same_key_with_another_body_is_refused(api: Api) -> None:
    await api.create(key="monday")
    refused = await api.create(key="monday", learningDate="2024-12-24")
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_twenty_concurrent_requests_with_one_key_get_one_response(api: Api) -> None:
    answers = await asyncio.gather(*(api.create(key="monday") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert Counter(answer.json()["isSkipped"] for answer in answers) == {False: 20}
    assert len({answer.json()["runId"] for answer in answers}) == 1


async def test_one_key_for_two_concurrent_batches_is_refused_for_one_of_them(api: Api) -> None:
    days = ["2024-12-23", "2024-12-24"]
    answers = await asyncio.gather(*(api.create(key="monday", learningDate=day) for day in days))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 422: 1}


async def test_keys_of_two_users_are_independent(api: Api) -> None:
    assert (await api.create(key="monday")).json()["isSkipped"] is False
    other = await api.create("teacher", key="monday", learningDate="2024-12-24")
    assert other.status_code == 202


async def test_the_stored_response_includes_conflicts(api: Api) -> None:
    one = api.school.student_ids[0]
    await api.create()
    marks = [{"studentId": one, "status": "late", "note": "bus"}]
    skipped = await api.create("teacher", key="monday", marks=marks)
    assert [conflict["studentId"] for conflict in skipped.json()["conflicts"]] == [one]
    again = await api.create("teacher", key="monday", marks=marks)
    assert (again.status_code, again.json()) == (200, skipped.json())


async def test_retry_cancel_and_undo_are_executed_once(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    batch_id = (await api.create()).json()["batchId"]
    async with one_student_away(adsum, api.school.student_ids[0]), worker():
        await ended(adsum, batch_id)
    for action, body in (("retry", None), ("cancel", None), ("undo", {"reason": "wrong class"})):
        path, key = f"/attendances/batches/{batch_id}/{action}", {"Idempotency-Key": action}
        first = await api.post(path, body, "office", key)
        assert first.is_success, first.text
        again = await api.post(path, body, "office", key)
        assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert first.json()["undone"] == 29
    other = await api.post(path, {"reason": "wrong day"}, "office", key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_contradiction_is_settled_once(register: Register) -> None:
    api = register.api
    await register.correct("office", status="late")
    marks = [{"studentId": api.school.student_ids[0], "status": "absent"}]
    await api.create("teacher", isSelectedAll=False, marks=marks, onExisting="update")
    (item,) = (await api.get("/contradictions")).json()["items"]
    path, key = f"/contradictions/{item['id']}/settle", {"Idempotency-Key": "settle"}
    first = await api.post(path, {"holds": "said"}, "office", key)
    again = await api.post(path, {"holds": "said"}, "office", key)
    assert (first.status_code, first.json()["status"]) == (200, "absent"), first.text
    assert (again.status_code, again.json()) == (200, first.json())
