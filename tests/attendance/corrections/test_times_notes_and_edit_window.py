"""Arrival and departure times, the office's note, and the edit window."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from adsum.accounts.access import system_caller
from adsum.platform.errors import Invalid
from adsum.schools.calendar.rules import SessionTime
from tests.attendance.corrections.conftest import Register
from tests.support.api import violations
from tests.support.schools import give_times


async def window(register: Register, days: int | None) -> None:
    path = f"/schools/{register.api.school.school_id}"
    answer = await register.api.change("PATCH", path, "office", None, json={"editWindowDays": days})
    assert (answer.status_code, answer.json()["editWindowDays"]) == (HTTPStatus.OK, days)


async def test_a_new_status_drops_the_times_of_the_old_one(register: Register) -> None:
    late = await register.correct(status="late", arrivedAt="08:17", leftAt="12:00")
    noted = await register.correct(version='"2"', note="bus", leftAt=None)
    absent = await register.correct(version='"3"', status="absent")

    assert [(answer.json()["arrivedAt"], answer.json()["leftAt"]) for answer in (late, noted, absent)] == [
        ("08:17", "12:00"),
        ("08:17", None),
        (None, None),
    ]
    newest = (await register.history())["items"][0]
    assert (newest["old"]["arrivedAt"], newest["new"]["arrivedAt"]) == ("08:17", None)


async def test_times_that_contradict_the_status_or_the_session_are_refused(register: Register) -> None:
    school = register.api.school
    async with register.api.adsum.database.transaction() as connection:
        times = [SessionTime(weekday, "08:00", "09:30") for weekday in range(1, 8)]
        await give_times(connection, {school.session_id: times})
    first, second, third = school.student_ids[:3]
    marks = [
        {"studentId": first, "status": "absent", "arrivedAt": "08:10", "leftAt": "09:00"},
        {"studentId": second, "status": "late", "arrivedAt": "09:31"},
        {"studentId": third, "status": "excused", "arrivedAt": "09:30", "leftAt": "12:00"},
    ]
    marked = await register.api.create(isSelectedAll=True, onExisting="update", marks=marks)
    absent = await register.correct(status="absent", arrivedAt="08:10")
    late = await register.correct(status="late", arrivedAt="09:31")

    in_batch = {("/marks/0/arrivedAt", "absent_with_time"), ("/marks/0/leftAt", "absent_with_time")}
    assert violations(marked) == {*in_batch, ("/marks/1/arrivedAt", "arrived_after_end")}
    assert violations(absent) == {("/arrivedAt", "absent_with_time")}
    assert violations(late) == {("/arrivedAt", "arrived_after_end")}


async def test_malformed_times_are_reported(register: Register) -> None:
    reversed_ = await register.correct(status="late", arrivedAt="12:00", leftAt="08:00")
    at_once = await register.correct(status="late", arrivedAt="08:10", leftAt="08:10")
    marks = [{"studentId": register.api.school.student_ids[0], "status": "late", "arrivedAt": "8:5", "leftAt": "99:00"}]
    marked = await register.api.create("teacher", marks=marks)

    assert violations(reversed_) == violations(at_once) == {("/leftAt", "times_reversed")}
    assert violations(marked) == {("/marks/0/arrivedAt", "wrong_form"), ("/marks/0/leftAt", "wrong_form")}


async def test_a_run_records_and_updates_times(register: Register) -> None:
    first = register.api.school.student_ids[0]

    await register.mark(onExisting="update", marks=[{"studentId": first, "status": "late", "arrivedAt": "08:30"}])
    await register.mark(onExisting="update", marks=[{"studentId": first, "status": "late", "leftAt": "11:00"}])
    both = (await register.api.get(register.path)).json()
    await register.mark(onExisting="update")
    neither = (await register.api.get(register.path)).json()

    assert (both["arrivedAt"], both["leftAt"], both["version"]) == ("08:30", "11:00", 3)
    assert (neither["arrivedAt"], neither["leftAt"], neither["status"]) == (None, None, "present")


async def test_an_undo_restores_the_times(register: Register) -> None:
    await register.correct(status="late", arrivedAt="08:17")
    batch_id = (await register.mark(onExisting="update"))["batchId"]

    await register.api.post(f"/attendances/batches/{batch_id}/undo", None, "teacher")

    record = (await register.api.get(register.path)).json()
    assert (record["status"], record["arrivedAt"]) == ("late", "08:17")


async def test_only_the_office_reads_the_offices_note(register: Register) -> None:
    noted = await register.correct("office", officeNote="parents are told")

    assert (noted.json()["officeNote"], noted.json()["status"], noted.json()["version"]) == (
        "parents are told",
        "present",
        2,
    )
    assert (await register.api.get(register.path, "teacher")).json()["officeNote"] is None
    (newest, _) = (await register.history())["items"]
    assert newest["new"]["officeNote"] is None
    assert (await register.history("office"))["items"][0]["new"]["officeNote"] == "parents are told"
    stale = await register.correct("teacher", status="late")
    assert stale.json()["params"]["changes"][0]["new"]["officeNote"] is None


async def test_the_offices_note_outlives_changes_of_the_mark(register: Register) -> None:
    await register.correct("office", officeNote="parents are told")
    await register.correct("office", version='"2"', status="absent")
    assert (await register.api.get(register.path)).json()["officeNote"] == "parents are told"

    taken = await register.correct("office", version='"3"', officeNote=None)

    assert (taken.json()["officeNote"], taken.json()["version"]) == (None, 4)


async def test_a_teacher_may_not_write_the_offices_note(register: Register) -> None:
    answer = await register.correct("teacher", officeNote="x")

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (HTTPStatus.FORBIDDEN, "office_note_not_allowed")


async def test_after_the_edit_window_only_the_office_corrects_with_a_reason(register: Register) -> None:
    await window(register, 7)

    assert violations(await register.correct("teacher", status="late")) == {("/id", "edit_window_over")}
    assert violations(await register.api.create("teacher")) == {("/learningDate", "edit_window_over")}
    assert violations(await register.api.create("office")) == {("/reason", "reason_missing")}
    assert violations(await register.correct("office", status="late")) == {("/reason", "reason_missing")}
    assert (await register.correct("office", status="late", reason="parents called")).json()["status"] == "late"
    marked = await register.api.create("office", reason="found the paper register")
    assert (marked.status_code, marked.json()["addedJobs"]) == (HTTPStatus.OK, 0)

    await window(register, None)

    assert (await register.api.create("teacher")).status_code == HTTPStatus.OK


async def test_the_reason_for_marking_a_class_after_the_edit_window_is_stored(register: Register) -> None:
    await window(register, 7)
    answer = await register.api.create("office", learningDate="2024-12-23", reason="found the paper register")

    batch = (await register.api.get(f"/attendances/batches/{answer.json()['batchId']}")).json()

    assert batch["runs"][0]["forcedReason"] == "found the paper register"


async def test_an_edit_window_out_of_range_is_refused(register: Register) -> None:
    path = f"/schools/{register.api.school.school_id}"

    wrong = await register.api.change("PATCH", path, "office", None, json={"editWindowDays": -1})
    teacher = await register.api.change("PATCH", path, "teacher", None, json={"editWindowDays": 1})
    unknown = await register.api.change("PATCH", "/schools/999", "office", None, json={"editWindowDays": 1})

    assert violations(wrong) == {("/editWindowDays", "out_of_range")}
    assert (teacher.status_code, unknown.status_code) == (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
    with pytest.raises(Invalid, match="window"):
        await register.adsum.schools.change(register.api.school.school_id, {"edit_window_days": 9999}, system_caller())


async def test_an_impossible_day_is_reported_with_all_other_violations(register: Register) -> None:
    await window(register, 7)

    assert violations(await register.api.create("office", learningDate="2024-02-30", force=True)) == {
        ("/learningDate", "date_impossible"),
        ("/reason", "missing_field"),
    }
