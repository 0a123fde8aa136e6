"""Each action writes its event in its own transaction, with ids and without names or notes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from adsum.accounts.access import system_caller
from adsum.batches.job_outcomes import Reason
from adsum.events.rules import EventFilters
from adsum.operations.repository import prune_runs
from adsum.platform.clock import system_clock
from tests.attendance.corrections.conftest import Register
from tests.events.conftest import reader_of
from tests.support.api import DAY
from tests.support.installation import ended, one_student_away

NOTE = "a private note"


def kinds(items: Any) -> list[str]:
    return [item["type"] for item in items]


async def test_a_class_that_is_marked_whole_completes_and_takes_its_register(register: Register) -> None:
    items = await reader_of(register.adsum).items()

    school = register.api.school
    run_id = items[0]["data"]["runId"]
    batch = {
        "batchId": f"class-{school.class_id}-session-{school.session_id}-date-25122024",
        "runId": run_id,
        "classId": school.class_id,
        "sessionId": school.session_id,
        "learningDate": DAY,
        "totalJobs": 3,
    }
    assert kinds(items) == ["batch.accepted", "batch.completed", "register.taken"]
    assert [item["schoolId"] for item in items] == [school.school_id] * 3
    assert [item["data"] for item in items] == [
        batch,
        batch
        | {"recordedJobs": 3, "skippedJobs": 0, "failedJobs": 0, "cancelledJobs": 0}
        | {
            "students": [
                {"studentId": student_id, "outcome": "recorded", "status": "present", "reason": None}
                for student_id in school.student_ids
            ]
        },
        {name: batch[name] for name in ("batchId", "classId", "sessionId", "learningDate")} | {"expected": 3},
    ]


async def test_a_batch_names_who_was_recorded_skipped_and_failed(register: Register) -> None:
    reader = reader_of(register.adsum)
    await reader.read()
    away, *others = register.api.school.student_ids
    first = await register.api.create(
        "teacher", learningDate="2024-12-24", isSelectedAll=False, selectedStudentIds=others[:1]
    )
    async with register.worker():
        await ended(register.adsum, first.json()["batchId"])
    second = await register.api.create("teacher", learningDate="2024-12-24", unselectedStudentIds=[others[1]])
    async with one_student_away(register.adsum, away), register.worker():
        await ended(register.adsum, second.json()["batchId"])

    *_, accepted, completed = await reader.items()

    assert kinds([accepted, completed]) == ["batch.accepted", "batch.completed_with_errors"]
    data = completed["data"]
    outcomes = {each["studentId"]: (each["outcome"], each["status"], each["reason"]) for each in data["students"]}
    assert outcomes == {
        away: ("failed", None, Reason.NOT_ENROLLED),
        others[0]: ("skipped", None, None),
        others[1]: ("recorded", "absent", None),
    }
    assert (data["recordedJobs"], data["skippedJobs"], data["failedJobs"]) == (1, 1, 1)


async def test_a_part_of_a_class_takes_no_register(register: Register) -> None:
    reader = reader_of(register.adsum)
    await reader.read()
    first, *others = register.api.school.student_ids
    for chosen in ([first], others):
        answer = await register.api.create(
            "teacher", learningDate="2024-12-24", isSelectedAll=False, selectedStudentIds=chosen
        )
        async with register.worker():
            await ended(register.adsum, answer.json()["batchId"])

    assert kinds(await reader.items()) == [
        *("batch.accepted", "batch.completed"),
        *("batch.accepted", "batch.completed", "register.taken"),
    ]


async def test_a_cancelled_batch_names_who_was_cancelled(register: Register) -> None:
    reader = reader_of(register.adsum)
    await reader.read()
    answer = await register.api.create("teacher", learningDate="2024-12-24")
    await register.api.post(f"/attendances/batches/{answer.json()['batchId']}/cancel", None, "teacher")

    accepted, cancelled = await reader.items()

    assert kinds([accepted, cancelled]) == ["batch.accepted", "batch.cancelled"]
    assert [each["outcome"] for each in cancelled["data"]["students"]] == ["cancelled"] * 3
    assert cancelled["data"]["cancelledJobs"] == 3


async def test_a_retry_names_the_students_of_its_own_run_and_counts_the_batch(register: Register) -> None:
    away = register.api.school.student_ids[0]
    answer = await register.api.create("teacher", learningDate="2024-12-24")
    async with one_student_away(register.adsum, away), register.worker():
        await ended(register.adsum, answer.json()["batchId"])
    reader = reader_of(register.adsum)
    await reader.read()
    await register.api.post(f"/attendances/batches/{answer.json()['batchId']}/retry", None, "teacher")
    async with register.worker():
        await ended(register.adsum, answer.json()["batchId"])

    accepted, completed, taken = await reader.items()

    assert kinds([accepted, completed, taken]) == ["batch.accepted", "batch.completed", "register.taken"]
    assert [each["studentId"] for each in completed["data"]["students"]] == [away]
    assert (completed["data"]["totalJobs"], completed["data"]["recordedJobs"]) == (3, 3)


async def test_a_register_is_told_as_taken_once_although_a_student_is_enrolled_again_and_retried(
    register: Register,
) -> None:
    away = register.api.school.student_ids[0]
    reader = reader_of(register.adsum)
    await reader.read()
    answer = await register.api.create("teacher", learningDate="2024-12-24")
    async with one_student_away(register.adsum, away), register.worker():
        await ended(register.adsum, answer.json()["batchId"])
        while_away = await reader.items()
    await register.api.post(f"/attendances/batches/{answer.json()['batchId']}/retry", None, "teacher")
    async with register.worker():
        await ended(register.adsum, answer.json()["batchId"])

    assert kinds(while_away) == ["batch.accepted", "batch.completed_with_errors", "register.taken"]
    assert while_away[-1]["data"]["expected"] == 2
    assert kinds(await reader.items()) == ["batch.accepted", "batch.completed"]


async def test_a_correction_that_sets_the_last_mark_takes_the_register_once(register: Register) -> None:
    first, *others = register.api.school.student_ids
    reader = reader_of(register.adsum)
    await mark(register, [first])
    found: list[Any] = (await register.api.get("/attendances", studentId=first)).json()["items"]
    (record_id,) = [each["id"] for each in found if each["learningDate"] == "2024-12-24"]
    await correct(register, record_id, 1, None)
    await mark(register, others)
    await reader.read()
    await correct(register, record_id, 2, "present")
    taken = await reader.items()
    await correct(register, record_id, 3, None)
    await correct(register, record_id, 4, "late")

    assert kinds(taken) == ["attendance.corrected", "register.taken"]
    assert taken[-1]["data"]["expected"] == 3
    assert kinds(await reader.items()) == ["attendance.cleared", "attendance.corrected"]


async def mark(register: Register, student_ids: list[int]) -> None:
    answer = await register.api.create(
        "teacher", learningDate="2024-12-24", isSelectedAll=False, selectedStudentIds=student_ids
    )
    async with register.worker():
        await ended(register.adsum, answer.json()["batchId"])


async def correct(register: Register, record_id: int, version: int, status: str | None) -> None:
    path = f"/attendances/{record_id}"
    method, body = ("DELETE", None) if status is None else ("PATCH", {"status": status})
    answer = await register.api.change(method, path, "teacher", f'"{version}"', **({"json": body} if body else {}))
    assert answer.is_success, answer.text


async def test_corrections_clearing_and_undo_tell_each_record(register: Register) -> None:
    reader = reader_of(register.adsum)
    await reader.read()
    await register.correct(status="late", note=NOTE)
    await register.clear(version='"2"')
    (batch,) = (await register.api.get("/attendances/batches")).json()["items"]
    await register.api.post(f"/attendances/batches/{batch['batchId']}/undo", None, "teacher")

    items = await reader.items()

    first, second, third = register.api.school.student_ids
    changes = [
        (item["type"], *(item["data"][name] for name in ("studentId", "previousStatus", "status", "version")))
        for item in items
    ]
    assert changes == [
        ("attendance.corrected", first, "present", "late", 2),
        ("attendance.cleared", first, "late", None, 3),
        ("attendance.cleared", second, "present", None, 2),
        ("attendance.cleared", third, "present", None, 2),
    ]
    assert NOTE not in str(items)


async def test_a_planned_absence_tells_its_versions_without_its_reason(register: Register) -> None:
    reader = reader_of(register.adsum)
    await reader.read()
    student_id = register.api.school.student_ids[0]
    body = {"studentIds": [student_id], "from": "2024-12-25", "to": "2024-12-27", "status": "excused", "reason": NOTE}
    entered = (await register.api.post("/absences", body, "office")).json()
    assert "items" in entered, entered
    absence_id = entered["items"][0]["id"]
    await register.api.change("PATCH", f"/absences/{absence_id}", "office", '"1"', json={"to": "2024-12-26"})
    await register.api.change("DELETE", f"/absences/{absence_id}", "office", '"2"')

    items = await reader.items()

    assert kinds(items) == [
        *("absence.entered", "attendance.corrected"),
        "absence.changed",
        *("absence.revoked", "attendance.corrected"),
    ]
    assert items[0]["data"] == {
        "absenceId": absence_id,
        "studentId": student_id,
        "version": 1,
        "from": "2024-12-25",
        "to": "2024-12-27",
        "status": "excused",
        "sessionIds": None,
        "fromTime": None,
        "toTime": None,
    }
    assert [item["data"]["version"] for item in items if item["type"].startswith("absence")] == [1, 2, 3]
    assert NOTE not in str(items)


async def test_a_request_that_is_refused_tells_nothing(register: Register) -> None:
    reader = reader_of(register.adsum)
    await reader.read()
    await register.api.create("teacher", learningDate="2024-12-24", unselectedStudentIds=[999_999])
    await register.correct(version='"9"', status="late")

    assert await reader.items() == []


async def test_the_data_of_a_run_that_was_pruned_have_no_students(register: Register) -> None:
    later = system_clock() + timedelta(days=1)
    async with register.adsum.database.transaction() as connection:
        await prune_runs(connection, later, later, 10)

    items = await reader_of(register.adsum).items()

    assert [item["data"].get("students") for item in items] == [None, [], None]
    assert items[1]["data"]["recordedJobs"] == 3


async def test_the_filters_of_the_feed_apply_to_what_is_told(register: Register) -> None:
    await reader_of(register.adsum).read()
    page = await register.adsum.event_feed.page(
        system_caller(), EventFilters(frozenset({"register.taken"}), register.api.school.school_id), None, 10
    )

    assert [event.type for event in page.items] == ["register.taken"]
