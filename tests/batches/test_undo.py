"""Undo restores the state before the newest run of a batch, and keeps later changes of others."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from adsum.accounts.access import system_caller
from adsum.attendance.tables import attendances
from adsum.platform.errors import Invalid
from tests.attendance.corrections.conftest import Register, mark
from tests.support.api import violations
from tests.support.installation import ended, one_student_away
from tests.support.pages import Pages, visible_text

BATCH = "/attendances/batches"
DAY_20 = date(2024, 12, 20)


async def undo(register: Register, batch_id: str, role: str = "teacher", **body: Any) -> httpx2.Response:
    return await register.api.post(f"{BATCH}/{batch_id}/undo", body or None, role)


async def statuses(register: Register) -> list[str | None]:
    return list((await register.api.statuses()).values())


async def test_new_records_are_cleared_and_can_be_marked_again(register: Register) -> None:
    (batch,) = (await register.api.get(BATCH)).json()["items"]

    undone = await undo(register, batch["batchId"], reason="the wrong class")

    assert undone.status_code == HTTPStatus.OK
    assert undone.json() == {"batchId": batch["batchId"], "runId": batch["runId"], "undone": 3, "kept": []}
    assert await statuses(register) == [None] * 3
    newest, first = (await register.history())["items"]
    assert (newest["undoesRunId"], newest["runId"], newest["reason"]) == (batch["runId"], None, "the wrong class")
    assert (newest["old"]["status"], newest["new"]["status"]) == ("present", None)
    assert (first["undoesRunId"], first["runId"]) == (None, batch["runId"])
    again = await register.mark()
    assert again["addedJobs"] == 3
    assert await statuses(register) == ["present"] * 3


async def test_overwritten_marks_are_restored_with_their_notes(register: Register) -> None:
    await register.correct(status="late", note="bus")
    again = await register.mark(onExisting="update", unselectedStudentIds=register.api.school.student_ids)
    assert await statuses(register) == ["absent"] * 3

    undone = await undo(register, again["batchId"])

    assert undone.json()["undone"] == 3
    assert await statuses(register) == ["late", "present", "present"]
    assert mark((await register.history())["items"][0]["new"]) == ("late", "bus")


async def test_records_changed_since_are_kept_and_reported(register: Register) -> None:
    (batch,) = (await register.api.get(BATCH)).json()["items"]
    await register.correct(status="late", note="bus")

    undone = (await undo(register, batch["batchId"])).json()

    first_student = register.api.school.student_ids[0]
    assert undone["undone"] == 2
    assert undone["kept"] == [{"studentId": first_student, "status": "late", "note": "bus", "version": 2}]
    assert await statuses(register) == ["late", None, None]


async def test_a_second_undo_changes_nothing(register: Register) -> None:
    (batch,) = (await register.api.get(BATCH)).json()["items"]
    await undo(register, batch["batchId"])

    again = await undo(register, batch["batchId"])

    assert again.json() == {"batchId": batch["batchId"], "runId": batch["runId"], "undone": 0, "kept": []}
    assert len((await register.history())["items"]) == 2


async def test_an_undone_batch_has_a_state_of_its_own_until_the_class_is_marked_again(register: Register) -> None:
    (batch,) = (await register.api.get(BATCH)).json()["items"]
    assert batch["state"] == "completed"
    await undo(register, batch["batchId"])

    async def listed(state: str) -> list[str]:
        return [each["batchId"] for each in (await register.api.get(BATCH, state=state)).json()["items"]]

    details = (await register.api.get(f"{BATCH}/{batch['batchId']}")).json()
    status = (await register.api.get(f"/attendances/batch-status/{batch['batchId']}")).json()
    assert {details["state"], details["runs"][0]["state"], status["state"]} == {"undone"}
    assert (status["isCompleted"], status["recordedJobs"]) == (True, 3)
    assert (await listed("undone"), await listed("completed")) == ([batch["batchId"]], [])

    await register.mark()
    details = (await register.api.get(f"{BATCH}/{batch['batchId']}")).json()
    assert [run["state"] for run in details["runs"]] == ["completed", "undone"]
    assert (await listed("undone"), await listed("completed")) == ([], [batch["batchId"]])


async def _batch_with_a_mark_of_the_office(register: Register) -> str:
    """Returns its id. The other two marks are a teacher's."""
    batch_id: str = (await register.api.create("office", learningDate="2024-12-20")).json()["batchId"]
    await _work_off(register, batch_id)
    async with register.adsum.database.transaction() as connection:
        other = [*register.api.school.student_ids[1:]]
        teachers = update(attendances).where(attendances.c.student_id.in_(other), attendances.c.learning_date == DAY_20)
        await connection.execute(teachers.values(marked_role="teacher"))
    return batch_id


async def test_a_batch_is_partly_undone_until_the_rest_is(register: Register) -> None:
    """A teacher does not undo the mark of the office."""
    batch_id = await _batch_with_a_mark_of_the_office(register)

    async def seen() -> tuple[str, int, int]:
        status = (await register.api.get(f"/attendances/batch-status/{batch_id}")).json()
        details = (await register.api.get(f"{BATCH}/{batch_id}")).json()
        (run,) = details["runs"]
        found = {(each["state"], each["undoneJobs"], each["notUndoneJobs"]) for each in (status, details, run)}
        return found.pop() if len(found) == 1 else ("differ", 0, 0)

    async def listed(state: str) -> list[str]:
        return [each["batchId"] for each in (await register.api.get(BATCH, state=state)).json()["items"]]

    assert await seen() == ("completed", 0, 0)
    assert (await undo(register, batch_id)).json()["undone"] == 2
    assert await seen() == ("partly_undone", 2, 1)
    assert (await listed("partly_undone"), await listed("undone")) == ([batch_id], [])
    retried = await register.api.post(f"{BATCH}/{batch_id}/retry", None, "teacher")
    assert retried.json()["code"] == "nothing_failed"
    page = await Pages(register.api).open(f"/batches/{batch_id}", "office")
    text = visible_text(page)
    assert "Partly undone" in text
    assert "2 records are set back. 1 record was changed later, or set by the office" in text
    assert "Undo the rest…" in text

    assert (await undo(register, batch_id)).json()["undone"] == 0
    assert await seen() == ("partly_undone", 2, 1)
    assert (await undo(register, batch_id, "office")).json()["undone"] == 1
    assert await seen() == ("undone", 3, 0)
    assert (await listed("partly_undone"), await listed("undone")) == ([], [batch_id])
    assert "Undo the rest…" not in visible_text(await Pages(register.api).open(f"/batches/{batch_id}", "office"))


async def test_an_undo_without_effect_leaves_the_state(register: Register) -> None:
    (batch,) = (await register.api.get(BATCH)).json()["items"]
    for record in register.records:
        await register.api.change("PATCH", f"/attendances/{record}", "teacher", '"1"', json={"status": "late"})
    assert (await undo(register, batch["batchId"])).json()["undone"] == 0
    details = (await register.api.get(f"{BATCH}/{batch['batchId']}")).json()
    assert (details["state"], details["undoneJobs"], details["notUndoneJobs"]) == ("completed", 0, 0)


async def test_an_undone_batch_with_failures_is_not_retried(register: Register) -> None:
    batch_id = (await register.api.create("teacher", learningDate="2024-12-20")).json()["batchId"]
    async with one_student_away(register.adsum, register.api.school.student_ids[0]):
        await _work_off(register, batch_id)
    await undo(register, batch_id)
    retried = await register.api.post(f"{BATCH}/{batch_id}/retry", None, "teacher")
    assert (retried.status_code, retried.json()["code"]) == (HTTPStatus.CONFLICT, "nothing_failed")
    assert (await register.api.get(BATCH, state="completed_with_errors")).json()["items"] == []


async def test_a_mark_cleared_by_hand_is_not_cleared_again(register: Register) -> None:
    (batch,) = (await register.api.get(BATCH)).json()["items"]
    await register.clear()

    undone = (await undo(register, batch["batchId"])).json()

    assert undone["undone"] == 2
    assert [each["status"] for each in undone["kept"]] == [None]


async def test_a_retry_is_undone_together_with_the_run_it_retried(register: Register) -> None:
    batch_id = (await register.api.create("teacher", learningDate="2024-12-20")).json()["batchId"]
    async with one_student_away(register.adsum, register.api.school.student_ids[0]):
        await _work_off(register, batch_id)
    retried = await register.api.post(f"{BATCH}/{batch_id}/retry", None, "teacher")
    await _work_off(register, batch_id)

    undone = (await undo(register, batch_id)).json()

    assert (undone["runId"], undone["undone"]) == (retried.json()["runId"], 3)


async def test_an_undo_of_a_retry_leaves_nothing_of_the_run_it_retried_for_another_undo(register: Register) -> None:
    batch_id = (await register.api.create("teacher", learningDate="2024-12-20")).json()["batchId"]
    first = (await register.api.get(f"{BATCH}/{batch_id}")).json()["runId"]
    async with one_student_away(register.adsum, register.api.school.student_ids[0]):
        await _work_off(register, batch_id)
    await register.api.post(f"{BATCH}/{batch_id}/retry", None, "teacher")
    await _work_off(register, batch_id)
    await undo(register, batch_id)

    result = await register.adsum.undo.undo(batch_id, system_caller(), run_id=first)

    assert result.undone == 0


async def test_a_batch_that_is_being_processed_is_not_undone(register: Register) -> None:
    created = await register.api.create("teacher", learningDate="2024-12-20")

    answer = await undo(register, created.json()["batchId"])

    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.CONFLICT, "batch_is_open")


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("nobody", 401), ("teacher", 404)])
async def test_undo_requires_permission(register: Register, role: str, status: int) -> None:
    batch_id = "class-1-session-1-date-25122024" if role != "teacher" else "class-9-session-9-date-25122024"

    assert (await undo(register, batch_id, role)).status_code == status


async def test_invalid_input_is_named(register: Register) -> None:
    (batch,) = (await register.api.get(BATCH)).json()["items"]

    assert violations(await undo(register, batch["batchId"], reason="x" * 501)) == {("/reason", "too_long")}
    assert (await undo(register, "no-batch")).status_code == HTTPStatus.NOT_FOUND
    with pytest.raises(Invalid, match="reason"):
        await register.adsum.undo.undo(batch["batchId"], system_caller(), "x" * 501)
    assert await statuses(register) == ["present"] * 3


async def _work_off(register: Register, batch_id: str) -> None:
    async with register.worker():
        await ended(register.adsum, batch_id)
