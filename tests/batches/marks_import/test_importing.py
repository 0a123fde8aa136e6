"""Tests the import of marks from a file."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import update

from adsum.accounts.access import Caller, Role, system_caller
from adsum.batches.marks_import import service as marks_import
from adsum.batches.marks_import.rules import MarksOptions
from adsum.batches.marks_import.service import ImportInterrupted
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.errors import Unavailable
from adsum.roster.tables import enrolments
from adsum.wiring import Adsum
from tests.batches.marks_import.conftest import HEADER, Elsewhere, Files
from tests.support.api import DAY, violations
from tests.support.installation import RunWorker, ended
from tests.support.schools import caller, enrol

NEXT_DAY = "2024-12-26"


async def test_each_class_session_and_day_is_a_batch_and_a_second_import_changes_nothing(
    adsum: Adsum, files: Files, elsewhere: Elsewhere, worker: RunWorker
) -> None:
    async with adsum.database.transaction() as connection:
        await enrol(connection, elsewhere.class_id, [elsewhere.student_id])
    first, second, _ = files.students
    lines = [
        f'{files.line(first, "late")},"bus, again",08:10,',
        f"{files.line('s-99', 'absent', class_id='ma-7c', session='2')},,,",
        f"{files.line(second, session=files.api.school.session_id)},,,11:00",
        f"{files.line(first, day=NEXT_DAY)},,,",
    ]
    header = f"{HEADER},note,arrivedAt,leftAt"

    sent = await files.send(*lines, header=header)
    async with worker():
        for batch in sent.json()["batches"]:
            await ended(adsum, batch["batchId"])
    again = await files.send(*lines, header=header)

    assert sent.status_code == HTTPStatus.ACCEPTED, sent.text
    assert [(batch["addedJobs"], batch["isSkipped"]) for batch in sent.json()["batches"]] == [(2, False)] + [
        (1, False)
    ] * 2
    assert again.status_code == HTTPStatus.OK
    assert {(batch["addedJobs"], len(batch["conflicts"])) for batch in again.json()["batches"]} == {(0, 0)}
    fields = ("studentId", "learningDate", "status", "note", "arrivedAt", "leftAt", "version")
    items = (await files.api.get("/attendances")).json()["items"]
    assert {tuple(each[field] for field in fields) for each in items} == {
        (first, DAY, "late", "bus, again", "08:10", None, 1),
        (second, DAY, "present", None, None, "11:00", 1),
        (elsewhere.student_id, DAY, "absent", None, None, None, 1),
        (first, NEXT_DAY, "present", None, None, None, 1),
    }


async def test_statuses_and_times_are_read_as_people_write_them(adsum: Adsum, files: Files, worker: RunWorker) -> None:
    first, second, third = files.students
    lines = [
        f"{files.line(first, 'Late')},9:05,",
        f"{files.line(second, 'P')},,",
        f"{files.line(third, 'e')},,12:30:00",
    ]

    sent = await files.send(*lines, header=f"{HEADER},arrivedAt,leftAt")
    async with worker():
        await ended(adsum, sent.json()["batches"][0]["batchId"])

    items = (await files.api.get("/attendances")).json()["items"]
    assert {(each["studentId"], each["status"], each["arrivedAt"], each["leftAt"]) for each in items} == {
        (first, "late", "09:05", None),
        (second, "present", None, None),
        (third, "excused", None, "12:30"),
    }


async def test_a_dry_run_reports_the_records_and_writes_none(files: Files) -> None:
    first, *_ = files.students

    tried = await files.send(files.line(first), dryRun=True)

    assert tried.status_code == HTTPStatus.OK, tried.text
    assert (tried.json()["dryRun"], tried.json()["rows"]) == (True, 1)
    assert [(batch["runId"], batch["addedJobs"]) for batch in tried.json()["batches"]] == [(None, 1)]
    assert (await files.api.get("/attendances/batches")).json()["items"] == []


async def test_existing_records_are_kept_and_listed_or_corrected_on_request(
    adsum: Adsum, files: Files, worker: RunWorker
) -> None:
    first, second, _ = files.students
    before = await files.send(files.line(first), files.line(second))
    meanwhile = (await files.send(files.line(first, "absent"))).json()["batches"][0]
    async with worker():
        await ended(adsum, before.json()["batches"][0]["batchId"])
        checked = await files.send(files.line(first, "absent"), dryRun=True)
        previewed = await files.send(files.line(first, "absent"), onExisting="update", dryRun=True)
        corrected = await files.send(files.line(first, "absent"), onExisting="update")
        await ended(adsum, corrected.json()["batches"][0]["batchId"])

    conflict = {"studentId": first, "recorded": "present", "requested": "absent"}
    assert meanwhile["isSkipped"]
    for batch in (meanwhile, checked.json()["batches"][0]):
        assert [{name: each[name] for name in conflict} for each in batch["conflicts"]] == [conflict]
    assert corrected.json()["batches"][0]["addedJobs"] == 1
    (change,) = previewed.json()["changes"]
    assert change["batchId"] == corrected.json()["batches"][0]["batchId"]
    assert (change["studentId"], change["oldStatus"], change["newStatus"]) == (first, "present", "absent")
    assert [each.json()["changes"] for each in (checked, corrected)] == [[], []]
    assert await files.api.statuses() == {first: "absent", second: "present"}


async def test_a_long_file_is_checked_and_recorded_in_parts(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks_import, "MARKS_AT_ONCE", 2)
    days = [f"2024-12-{day:02}" for day in range(2, 7)]

    sent = await files.send(*[files.line(student, day=day) for day in days for student in files.students])

    assert [batch["addedJobs"] for batch in sent.json()["batches"]] == [3] * len(days)
    assert sent.json()["rows"] == 15


async def test_an_empty_file_records_nothing(files: Files) -> None:
    nothing: dict[str, Any] = {"batches": [], "changes": [], "leftOut": [], "leftOutCount": 0}
    assert (await files.send()).json() == {"dryRun": False, "rows": 0} | nothing


async def test_a_change_between_check_and_acceptance_is_reported_and_other_batches_are_accepted(
    adsum: Adsum, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaver, create_batch = files.students[0], adsum.attendances.create_batch

    async def create_after_leaving(submission: Submission, user: Caller) -> BatchResult:
        async with adsum.database.transaction() as connection:
            of_student = update(enrolments).where(enrolments.c.student_id == leaver)
            await connection.execute(of_student.values(end_date=date(2024, 12, 26)))
        return await create_batch(submission, user)

    monkeypatch.setattr(adsum.attendances, "create_batch", create_after_leaving)
    content = f"{HEADER}\n{files.line(leaver)}\n{files.line(leaver, day=NEXT_DAY)}\n".encode()

    with pytest.raises(ImportInterrupted) as interrupted:
        await adsum.marks_import.import_file(files.api.school.school_id, content, caller(Role.ADMIN), MarksOptions())

    assert interrupted.value.params == {"accepted": 1, "batches": 2, "total": 1}
    assert [(violation.pointer, violation.code) for violation in interrupted.value.violations] == [
        ("marks.csv:3", "not_enrolled")
    ]


async def test_an_error_that_concerns_no_line_is_raised_unchanged(
    adsum: Adsum, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = f"{HEADER}\n{files.line(files.students[0])}\n".encode()

    async def fails(submission: Submission, user: Caller) -> BatchResult:
        raise error

    monkeypatch.setattr(adsum.attendances, "create_batch", fails)
    for error in (Unavailable("away"), RuntimeError("a fault")):
        with pytest.raises(type(error), match=str(error)):
            await adsum.marks_import.import_file(
                files.api.school.school_id, content, caller(Role.ADMIN), MarksOptions()
            )


async def test_the_office_imports_a_closed_day_with_a_reason(files: Files) -> None:
    path = f"/schools/{files.api.school.school_id}/closed-days/{DAY}"
    await files.api.change("PUT", path, "office", None, json={"reason": "Christmas"})
    first, second, _ = files.students

    refused = await files.send(files.line(first), files.line(second))
    forced = await files.send(files.line(first), force=True, reason="a trip")
    by_teacher = await files.send(files.line(first), role="teacher", force=True, reason="a trip")
    without_reason = await files.send(files.line(first), files.line(second), force=True, reason=" ")

    assert violations(without_reason) == {("/query/reason", "reason_missing")}
    assert violations(refused) == {("marks.csv:2", "school_closed"), ("marks.csv:3", "school_closed")}
    assert forced.status_code == HTTPStatus.ACCEPTED, forced.text
    assert by_teacher.status_code == HTTPStatus.FORBIDDEN


async def test_lines_of_an_erased_student_are_left_out_with_a_warning(
    adsum: Adsum, files: Files, elsewhere: Elsewhere
) -> None:
    """An old file of a class can be imported without them; a student who never existed is an error as before."""
    first = files.students[0]
    await adsum.student_data.erase(elsewhere.student_id, system_caller())
    lines = [files.line("s-99", "nonsense"), files.line(first), files.line("s-99")]

    unknown = await files.send(*lines, files.line("s-98"))
    sent = await files.send(*lines)

    assert violations(unknown) == {("marks.csv:5", "unknown_student")}
    answer = sent.json()
    assert (sent.status_code, answer["rows"], answer["leftOutCount"]) == (HTTPStatus.ACCEPTED, 1, 2), sent.text
    assert [(each["row"], each["column"], each["code"]) for each in answer["leftOut"]] == [
        (2, "student", "erased_person"),
        (4, "student", "erased_person"),
    ]
    assert "s-99" not in sent.text
