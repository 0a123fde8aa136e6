"""`GET /attendances/batches/{batchId}`: the runs of one batch, and the outcome of each student."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import update

from adsum.accounts.access import Permission, Role
from adsum.attendance.tables import attendances
from adsum.batches import listing as batches
from adsum.batches.tables import job_failures
from adsum.platform.redis.queues import process_name
from adsum.wiring import Adsum
from tests.batches.test_retry_cancel import failed_batch, one_student_away
from tests.support.api import Api, violations
from tests.support.installation import RunWorker, ended
from tests.support.schools import make_school


def path(batch_id: str) -> str:
    return f"/attendances/batches/{batch_id}"


async def jobs_of(api: Api, batch_id: str, role: str = "office", **query: Any) -> dict[int, dict[str, Any]]:
    """Returns all matching students by id."""
    answer = (await api.get(path(batch_id), role, limit=200, **query)).json()
    assert answer["jobs"]["nextCursor"] is None
    return {job["studentId"]: job for job in answer["jobs"]["items"]}


def outcomes_of(jobs: dict[int, dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(job["outcome"] for job in jobs.values()))


def reason_codes(jobs: dict[int, dict[str, Any]]) -> list[str | None]:
    return [job["reason"] and job["reason"]["code"] for job in jobs.values()]


async def test_a_batch_is_shown_with_its_status_its_run_and_its_students(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    one, two, *_ = api.school.student_ids
    created = (await api.create(marks=[{"studentId": one, "status": "absent", "note": "ill"}])).json()
    waiting = (await api.get(path(created["batchId"]))).json()
    assert {job["outcome"] for job in waiting["jobs"]["items"]} == {"pending"}
    assert (waiting["runs"][0]["state"], waiting["runs"][0]["remainingJobs"]) == ("processing", 30)
    async with worker():
        await ended(adsum, created["batchId"])
    shown = (await api.get(path(created["batchId"]))).json()
    status = (await api.get(created["statusUrl"])).json()
    jobs = shown.pop("jobs")
    (run,) = shown.pop("runs")
    assert shown == status
    assert (run["runId"], run["number"], run["state"], run["onExisting"]) == (created["runId"], 1, "completed", "skip")
    assert [run[f"{name}Jobs"] for name in ("total", "recorded", "remaining", "carried")] == [30, 30, 0, 0]
    assert (run["acceptedByRole"], run["endedAt"]) == ("office", status["completedAt"])
    assert isinstance(run["acceptedByUserId"], int)
    assert run["endedBy"] == process_name()  # the worker runs in this process
    assert [job["studentId"] for job in jobs["items"]] == sorted(api.school.student_ids)
    assert jobs["items"][0] == {
        "jobId": f"student-{one}-session-{api.school.session_id}-date-25122024",
        "studentId": one,
        "runId": created["runId"],
        "status": "absent",
        "note": "ill",
        "outcome": "recorded",
        "reason": None,
        "recorded": {"id": jobs["items"][0]["recorded"]["id"], "status": "absent", "note": "ill", "version": 1},
    }
    assert (jobs["items"][1]["studentId"], jobs["items"][1]["recorded"]["status"]) == (two, "present")


async def test_pages_hold_each_student_once(api: Api) -> None:
    batch_id = (await api.create()).json()["batchId"]
    student_ids: list[int] = []
    query: dict[str, Any] = {"limit": 7}
    while True:
        jobs = (await api.get(path(batch_id), **query)).json()["jobs"]
        student_ids += [job["studentId"] for job in jobs["items"]]
        if jobs["nextCursor"] is None:
            break
        query["cursor"] = jobs["nextCursor"]
    assert student_ids == sorted(api.school.student_ids)
    refused = await api.get(path(batch_id), limit=7, outcome="failed", cursor=query["cursor"])
    assert (refused.status_code, violations(refused)) == (422, {("/query/cursor", "wrong_cursor")})


async def test_failures_are_filtered_by_outcome_and_have_reasons(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    (failed,) = (await jobs_of(api, batch_id, outcome="failed")).values()
    assert (failed["studentId"], failed["status"], failed["recorded"]) == (api.school.student_ids[0], "present", None)
    assert failed["reason"]["code"] == "not_enrolled"
    assert "no longer enrolled" in failed["reason"]["detail"]
    assert len(await jobs_of(api, batch_id, outcome="recorded")) == 29
    assert await jobs_of(api, batch_id, outcome="cancelled") == {}
    page = (await api.get(path(batch_id), outcome="recorded", limit=20)).json()["jobs"]
    rest = (await api.get(path(batch_id), outcome="recorded", limit=20, cursor=page["nextCursor"])).json()["jobs"]
    assert (len(page["items"]), len(rest["items"]), rest["nextCursor"]) == (20, 9, None)


async def test_a_retried_batch_shows_all_students_and_each_run_shows_its_own(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    """After two consecutive retries, the second one still shows the students recorded by the first run."""
    one, two, *others = api.school.student_ids
    created = (await api.create()).json()
    batch_id = created["batchId"]
    async with one_student_away(adsum, one):
        async with one_student_away(adsum, two), worker():
            await ended(adsum, batch_id)
        await api.post(f"{path(batch_id)}/retry", None, "office")
        async with worker():
            await ended(adsum, batch_id)
    retried = (await api.post(f"{path(batch_id)}/retry", None, "office")).json()
    jobs = await jobs_of(api, batch_id)
    assert (len(jobs), outcomes_of(jobs)) == (30, {"pending": 1, "recorded": 29})
    async with worker():
        await ended(adsum, batch_id)
    shown = (await api.get(path(batch_id), limit=200)).json()
    newest, middle, first = shown["runs"]
    assert [run["carriedJobs"] for run in (newest, middle, first)] == [29, 28, 0]
    assert [run["number"] for run in (newest, middle, first)] == [3, 2, 1]
    jobs = await jobs_of(api, batch_id)
    assert outcomes_of(jobs) == {"recorded": shown["recordedJobs"]} == {"recorded": 30}
    made_by = Counter(job["runId"] for job in jobs.values())
    assert made_by == {retried["runId"]: 1, middle["runId"]: 1, created["runId"]: 28}
    assert list(await jobs_of(api, batch_id, runId=newest["runId"])) == [one]
    assert {i: job["outcome"] for i, job in (await jobs_of(api, batch_id, runId=middle["runId"])).items()} == {
        one: "failed",
        two: "recorded",
    }
    of_first = await jobs_of(api, batch_id, runId=first["runId"])
    assert outcomes_of(of_first) == {"failed": 2, "recorded": len(others)}


async def test_a_skipped_student_has_a_reason(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    one, two, three, *_ = api.school.student_ids
    named: dict[str, Any] = {"isSelectedAll": False, "selectedStudentIds": [one]}
    first = (await api.create(**named)).json()
    async with worker():
        await ended(adsum, first["batchId"])
    second = (await api.create(isSelectedAll=False, unselectedStudentIds=[one, two])).json()
    skipped = (await jobs_of(api, second["batchId"]))[one]
    assert (skipped["outcome"], skipped["reason"]["code"], skipped["status"]) == ("skipped", "already_recorded", None)
    assert skipped["recorded"]["status"] == "present"
    async with worker():
        await ended(adsum, second["batchId"])
    third = (await api.create(isSelectedAll=False, selectedStudentIds=[one, two, three], onExisting="update")).json()
    async with adsum.database.transaction() as connection:  # a correction precedes the worker
        await connection.execute(update(attendances).where(attendances.c.student_id == two).values(version=5))
    async with worker():
        await ended(adsum, third["batchId"])
    jobs = await jobs_of(api, third["batchId"])
    assert reason_codes(jobs) == ["unchanged", "changed_meanwhile", None]
    assert [job["recorded"]["version"] for job in jobs.values()] == [1, 5, 1]


async def test_a_cancelled_job_shows_the_current_mark(api: Api) -> None:
    batch_id = (await api.create()).json()["batchId"]
    await api.post(f"{path(batch_id)}/cancel", None, "office")
    jobs = await jobs_of(api, batch_id, outcome="cancelled")
    assert (len(jobs), set(reason_codes(jobs))) == (30, {"cancelled"})


async def test_an_unknown_reason_of_a_newer_version_is_shown_unchanged(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    batch_id = await failed_batch(adsum, api, worker)
    async with adsum.database.transaction() as connection:
        await connection.execute(update(job_failures).values(code="struck_by_lightning"))
    assert reason_codes(await jobs_of(api, batch_id, outcome="failed")) == ["struck_by_lightning"]


async def test_only_the_newest_runs_are_listed_and_older_ones_can_be_requested(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_RUNS", 1)
    first = (await api.create()).json()
    await api.post(f"{path(first['batchId'])}/cancel", None, "office")
    second = (await api.create(isSelectedAll=False, selectedStudentIds=api.school.student_ids[:1])).json()
    (run,) = (await api.get(path(first["batchId"]))).json()["runs"]
    assert run["runId"] == second["runId"]
    assert len(await jobs_of(api, first["batchId"])) == 1
    assert len(await jobs_of(api, first["batchId"], runId=first["runId"])) == 30


async def test_details_are_limited_to_the_permissions_of_the_caller(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    created = (await api.create(marks=[{"studentId": api.school.student_ids[0], "status": "late", "note": "x"}])).json()
    async with worker():
        await ended(adsum, created["batchId"])
    for role in ("office", "viewer", "teacher"):
        assert (await jobs_of(api, created["batchId"], role))[api.school.student_ids[0]]["note"] == "x"
    # Operators see the progress of batches, not students' records.
    for job in (await jobs_of(api, created["batchId"], "operator")).values():
        assert (job["outcome"], job["status"], job["note"], job["recorded"]) == ("recorded", None, None, None)
    assert (await api.get(path(created["batchId"]), "nobody")).status_code == 401
    key = await adsum.api_keys.create("lms", [Permission.ATTENDANCE_CREATE], [api.school.school_id])
    refused = await api.client.get(path(created["batchId"]), headers={"X-API-Key": key.secret})
    assert refused.status_code == 403
    async with adsum.database.transaction() as connection:
        elsewhere = await make_school(connection)
    await api.sign_in(Role.OFFICE, elsewhere.school_id)
    assert (await api.get(path(created["batchId"]), "office")).status_code == 404


async def test_a_missing_batch_is_404_and_an_invalid_query_is_422(adsum: Adsum, api: Api) -> None:
    created = (await api.create()).json()
    other = (await api.create(learningDate="2024-12-24")).json()
    for unknown in ("class-1-session-999-date-25122024", "nonsense"):
        assert (await api.get(path(unknown))).status_code == 404
    # A run of another batch is not found.
    of_other = await api.get(path(created["batchId"]), runId=other["runId"])
    assert (of_other.status_code, of_other.json()["params"]) == (
        404,
        {"batchId": created["batchId"], "runId": other["runId"]},
    )
    refused: list[dict[str, Any]] = [{"runId": "7"}, {"outcome": "lost"}, {"limit": 0}, {"surprise": 1}]
    for wrong in refused:
        assert (await api.get(path(created["batchId"]), **wrong)).status_code == 422
