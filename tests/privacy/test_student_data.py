"""A child's data: all of it is handed over, and nothing of it is left once it is erased."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, text

from adsum.batches.repository.runs import newest_run
from adsum.platform.database.columns import metadata
from adsum.platform.ids import parse_batch_id
from tests.attendance.corrections.conftest import Register
from tests.support.api import Api
from tests.support.installation import ended, one_student_away
from tests.support.schools import make_bare_school, make_student

NOTE = "a very private note"


def student_of(register: Register) -> int:
    return register.api.school.student_ids[0]


async def erase(api: Api, student_id: int, role: str = "office") -> httpx2.Response:
    return await api.change("DELETE", f"/students/{student_id}", role, None)


async def with_traces_everywhere(register: Register) -> None:
    """The first student has a record with a history, a failure, a conflict in a kept answer, and stands in plans."""
    await register.correct(status="late", note=NOTE, reason=NOTE)
    marks = [{"studentId": student_of(register), "status": "excused", "note": NOTE}]
    await register.api.create("office", key="again", isSelectedAll=False, marks=marks)
    failing = await register.api.create("office", learningDate="2024-12-20", marks=marks)
    async with one_student_away(register.adsum, student_of(register)), register.worker():
        await ended(register.adsum, failing.json()["batchId"])


async def everything(register: Register) -> str:
    """Every value of every table, as text."""
    async with register.adsum.database.snapshot() as connection:
        tables = [(await connection.execute(select(table))).all() for table in metadata.sorted_tables]
    return repr(tables)


async def test_all_that_is_kept_about_a_student_is_handed_over(register: Register) -> None:
    await with_traces_everywhere(register)

    answer = await register.api.get(f"/students/{student_of(register)}/data")

    assert answer.status_code == HTTPStatus.OK, answer.text
    data: dict[str, Any] = answer.json()
    assert (data["student"]["givenName"], data["student"]["school"]) == ("Given 1", "Lindenhof")
    assert [each["classTitle"] for each in data["enrolments"]] == ["7b"]
    (record,) = data["records"]
    assert (record["status"], record["note"], record["sessionTitle"]) == ("late", NOTE, "Attendance")
    assert [(each["oldStatus"], each["newStatus"], each["reason"]) for each in record["changes"]] == [
        ("present", "late", NOTE)
    ]
    assert [each["code"] for each in data["failures"]] == ["not_enrolled"]
    assert ("2024-12-20", "excused", NOTE) in {
        (each["learningDate"], each["status"], each["note"]) for each in data["requests"]
    }


async def test_nothing_of_a_student_who_is_erased_is_left_but_counts(register: Register) -> None:
    await with_traces_everywhere(register)
    batches = (await register.api.get("/attendances/batches")).json()
    records = (await register.api.get("/attendances")).json()["items"]

    erased = await erase(register.api, student_of(register))

    assert erased.json() == {"studentId": student_of(register), "records": 1}
    assert (await register.api.get("/attendances/batches")).json() == batches
    others = [record for record in records if record["studentId"] != student_of(register)]
    assert (await register.api.get("/attendances")).json()["items"] == others
    kept = await everything(register)
    assert NOTE not in kept
    assert "Given 1'" not in kept
    assert (await register.api.get(f"/students/{student_of(register)}/data")).status_code == HTTPStatus.NOT_FOUND
    for batch in batches["items"]:
        details = (await register.api.get(f"/attendances/batches/{batch['batchId']}")).json()
        assert student_of(register) not in {job["studentId"] for job in details["jobs"]["items"]}
        parsed = parse_batch_id(batch["batchId"])
        assert parsed is not None
        async with register.adsum.database.snapshot() as connection:
            run = await newest_run(connection, parsed)
        assert run is not None
        assert student_of(register) not in {job.student_id for job in run.jobs}


async def test_who_kept_their_record_is_taken_out_of_the_plan_too(register: Register) -> None:
    await register.clear(version='"1"')
    again = await register.mark()
    assert (again["addedJobs"], again["skippedJobs"]) == (1, 2)
    second = register.api.school.student_ids[1]

    assert (await erase(register.api, second)).is_success

    async with register.adsum.database.snapshot() as connection:
        kept = (await connection.execute(text("SELECT kept FROM batch_runs ORDER BY number DESC"))).scalars().first()
    assert str(second) not in str(kept).strip("[]").split(", ")


async def test_a_student_of_an_open_run_is_not_erased(register: Register) -> None:
    await register.api.create("office", learningDate="2024-12-20")

    answer = await erase(register.api, student_of(register))

    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.CONFLICT, "student_is_being_marked")
    assert (await register.api.get(f"/students/{student_of(register)}/data")).is_success


@pytest.mark.parametrize("role", ["teacher", "viewer", "operator"])
async def test_only_who_answers_for_the_data_of_a_school_may(register: Register, role: str) -> None:
    assert (await erase(register.api, student_of(register), role)).status_code == HTTPStatus.FORBIDDEN
    path = f"/students/{student_of(register)}/data"
    assert (await register.api.get(path, role)).status_code == HTTPStatus.FORBIDDEN


async def test_a_student_of_another_school_and_one_who_does_not_exist_are_the_same(register: Register) -> None:
    async with register.adsum.database.transaction() as connection:
        stranger = await make_student(connection, await make_bare_school(connection, name="Elsewhere"))

    for student_id in (stranger, stranger + 1):
        assert (await erase(register.api, student_id)).status_code == HTTPStatus.NOT_FOUND
        assert (await register.api.get(f"/students/{student_id}/data")).status_code == HTTPStatus.NOT_FOUND


async def test_it_is_logged_who_asked_and_about_whom(register: Register, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "adsum")

    await register.api.get(f"/students/{student_of(register)}/data")
    await erase(register.api, student_of(register))

    told = [vars(each) for each in caplog.records if each.message.startswith("a student")]
    assert [each["message"] for each in told] == ["a student's data was exported", "a student was erased"]
    assert {(each["student_id"], each["actor"].split("-")[0]) for each in told} == {(student_of(register), "user")}
