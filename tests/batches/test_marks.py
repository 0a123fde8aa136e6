"""Marks are recorded once, and marks that are not applied are reported as conflicts."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from sqlalchemy import func, select

from adsum.attendance.tables import attendance_changes, attendances
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.installation import RunWorker, ended
from tests.support.schools import make_school, make_session


async def test_the_response_is_the_seeds_with_additional_fields(api: Api) -> None:
    response = await api.create(unselectedStudentIds=api.school.student_ids[:2])
    batch_id = f"class-{api.school.class_id}-session-{api.school.session_id}-date-25122024"
    answer = response.json()
    assert response.status_code == 202
    assert answer == {
        "batchId": batch_id,
        "totalJobs": 30,
        "addedJobs": 30,
        "skippedJobs": 0,
        "lockKey": f"attendance-batch-lock:{batch_id}",
        "message": "Batch processing initiated for 30 attendances",
        "runId": answer["runId"],
        "isSkipped": False,
        "statusUrl": f"/attendances/batch-status/{batch_id}",
        "conflicts": [],
        "warnings": [],
    }


async def test_the_status_is_the_seeds_with_additional_fields(api: Api) -> None:
    answer = (await api.create()).json()
    status = (await api.get(answer["statusUrl"])).json()
    assert status == {
        "batchId": answer["batchId"],
        "isLocked": True,
        "lockStatus": "processing",
        "remainingJobs": 30,
        "isCompleted": False,
        "state": "processing",
        "totalJobs": 30,
        "recordedJobs": 0,
        "skippedJobs": 0,
        "failedJobs": 0,
        "cancelledJobs": 0,
        "undoneJobs": 0,
        "notUndoneJobs": 0,
        "progress": 0,
        "runId": answer["runId"],
        "startedAt": status["startedAt"],
        "completedAt": None,
    }


@pytest.mark.parametrize(("students", "absent"), [(1, 0), (35, 2), (1200, 2)])
async def test_unselected_students_are_absent_and_all_others_present(
    adsum: Adsum, api: Api, worker: RunWorker, students: int, absent: int
) -> None:
    async with adsum.database.transaction() as connection:
        api.school = await make_school(connection, students=students)
    await api.sign_in_teacher()
    created = await api.create("teacher", unselectedStudentIds=api.school.student_ids[:absent])
    async with worker():
        status = await ended(adsum, created.json()["batchId"])
    assert (status.tally.recorded, status.tally.total) == (students, students)
    async with adsum.database.snapshot() as connection:
        statuses = Counter(await connection.scalars(select(attendances.c.status)))
    assert statuses == Counter(["present"] * (students - absent) + ["absent"] * absent)


async def test_twenty_concurrent_equal_requests_and_a_later_one_have_one_effect(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    answers = await asyncio.gather(*(api.create() for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: 19}
    assert {answer.json()["runId"] for answer in answers} == {answers[0].json()["runId"]}
    assert Counter(answer.json()["isSkipped"] for answer in answers) == {True: 19, False: 1}
    assert all(answer.json()["conflicts"] == [] for answer in answers)
    async with worker():
        await ended(adsum, answers[0].json()["batchId"])
    again = await asyncio.gather(*(api.create() for _ in range(20)))
    assert {(answer.status_code, answer.json()["addedJobs"], answer.json()["skippedJobs"]) for answer in again} == {
        (200, 0, 30)
    }
    async with adsum.database.snapshot() as connection:
        assert await connection.scalar(select(func.count()).select_from(attendances)) == 30
        assert await connection.scalar(select(func.count()).select_from(attendance_changes)) == 0


async def test_different_marks_of_a_second_teacher_are_conflicts_while_the_first_run_is_open(api: Api) -> None:
    one, two, three = api.school.student_ids[:3]
    await api.create(unselectedStudentIds=[one])
    marks = [{"studentId": three, "status": "late"}]
    answer = await api.create("teacher", unselectedStudentIds=[two], marks=marks)
    assert answer.json()["isSkipped"] is True
    assert _conflicts(answer.json()) == [
        (one, "absent", "present"),
        (two, "present", "absent"),
        (three, "present", "late"),
    ]


async def test_different_marks_of_a_second_teacher_are_conflicts_after_the_first_run_completed(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    one, two = api.school.student_ids[:2]
    created = await api.create(unselectedStudentIds=[one])
    async with worker():
        await ended(adsum, created.json()["batchId"])
    answer = await api.create("teacher", unselectedStudentIds=[two])
    assert (answer.status_code, answer.json()["isSkipped"], answer.json()["addedJobs"]) == (200, False, 0)
    assert _conflicts(answer.json()) == [(one, "absent", "present"), (two, "present", "absent")]
    assert (await api.statuses())[one] == "absent"


async def test_an_updating_run_corrects_one_student_and_writes_history(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    one = api.school.student_ids[0]
    created = await api.create("teacher", unselectedStudentIds=[one])
    async with worker():
        await ended(adsum, created.json()["batchId"])
        updated = await api.create("teacher", isSelectedAll=False, selectedStudentIds=[one], onExisting="update")
        assert (updated.status_code, updated.json()["addedJobs"]) == (202, 1)
        status = await ended(adsum, created.json()["batchId"])
    assert (status.run_id, status.tally.recorded) == (updated.json()["runId"], 1)
    assert set((await api.statuses()).values()) == {"present"}
    async with adsum.database.snapshot() as connection:
        (change,) = (await connection.execute(select(attendance_changes))).all()
        versions = (await connection.scalars(select(attendances.c.version).order_by(attendances.c.student_id))).all()
    assert (change.old_status, change.new_status, change.version) == ("absent", "present", 2)
    assert (change.user_id, change.changed_role, change.run_id) == (api.school.teacher_id, "teacher", status.run_id)
    assert versions == [2] + [1] * 29


async def test_an_update_without_changes_creates_no_run(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    created = await api.create()
    async with worker():
        await ended(adsum, created.json()["batchId"])
    again = await api.create(onExisting="update")
    assert (again.status_code, again.json()["runId"]) == (200, created.json()["runId"])


async def test_an_unselected_student_is_not_changed(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    one, two, three = api.school.student_ids[:3]
    marks = [{"studentId": three, "status": "excused", "note": "dentist"}]
    created = await api.create(
        isSelectedAll=False, selectedStudentIds=[one], unselectedStudentIds=[two, three], marks=marks
    )
    async with worker():
        await ended(adsum, created.json()["batchId"])
    assert await api.statuses() == {one: "present", two: "absent", three: "excused"}


async def test_a_new_run_records_only_students_without_a_record(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    first = await api.create(isSelectedAll=False, selectedStudentIds=api.school.student_ids[:10])
    async with worker():
        await ended(adsum, first.json()["batchId"])
        second = await api.create()
        assert (second.json()["addedJobs"], second.json()["skippedJobs"]) == (20, 10)
        status = await ended(adsum, first.json()["batchId"])
    assert (status.tally.recorded, status.tally.skipped, status.tally.total) == (20, 10, 30)


async def test_on_existing_fail_refuses_the_whole_request(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    one = api.school.student_ids[0]
    first = await api.create(isSelectedAll=False, selectedStudentIds=[one])
    async with worker():
        await ended(adsum, first.json()["batchId"])
    refused = await api.create(onExisting="fail")
    assert (refused.status_code, refused.json()["code"]) == (409, "records_exist")
    assert [error["params"] for error in refused.json()["errors"]] == [{"studentId": one}]
    assert len(await api.statuses()) == 1


async def test_two_sessions_of_one_class_on_one_day_stay_separate(adsum: Adsum, api: Api, worker: RunWorker) -> None:
    async with adsum.database.transaction() as connection:
        second = await make_session(connection, api.school.class_id, period="2", title="Period 2")
    batches = [(await api.create(sessionId=each)).json()["batchId"] for each in (api.school.session_id, second)]
    async with worker():
        tallies = [(await ended(adsum, batch)).tally.recorded for batch in batches]
    assert tallies == [30, 30]


def _conflicts(answer: dict[str, list[dict[str, object]]]) -> list[tuple[object, object, object]]:
    return [(each["studentId"], each["recorded"], each["requested"]) for each in answer["conflicts"]]
