"""A file of records is accepted by the import as it is, and changes nothing."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update

from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.attendance.schemas import COLUMNS
from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.marks_import.rules import MARKS, MarksOptions
from adsum.batches.rules import OnExisting
from adsum.batches.tables import batch_runs
from adsum.platform.errors import Invalid
from adsum.platform.http.list_files import FileKind
from adsum.platform.ids import Batch
from adsum.privacy.merging.rules import MergeChoices, Prefer
from adsum.roster.tables import classes, enrolments, sessions, students
from adsum.wiring import Adsum
from tests.batches.marks_import.conftest import HEADER, Files
from tests.support.api import DAY, violations
from tests.support.installation import RunWorker, ended
from tests.support.schools import (
    MARKED_AT,
    RUN_ID,
    assign,
    enrol,
    make_class,
    make_record,
    make_school,
    make_session,
    make_student,
)

CSV, BOM, XLSX = FileKind.CSV.value, "text/csv; bom=true", FileKind.XLSX.value
PIECES = [
    *('"', "'", "\n", "\r\n", "\r", ",", ";", "\t", "=1+1", "+49", "-", "@x", "＝", " ", "krank", "日本", "🤒"),  # noqa: RUF001
    *("_x0041_", "sep=;", "\u2028", "\x0b", "\ufffe", "é", "0117"),
]


@pytest.fixture
async def recorded(adsum: Adsum, files: Files) -> int:
    """Records of 20 students in two classes on 15 days, with hostile notes; returns their number.

    One class has no source id and one session, the other has two periods. Some marks are cleared.
    """
    chance, school = random.Random(19), files.api.school
    async with adsum.database.transaction() as connection:
        other = await make_class(connection, school.school_id, source_id="=7c;-", title="+7c")
        places = [(school.class_id, school.session_id)] + [
            (other, await make_session(connection, other, period=period, source_id=f"@{period}")) for period in "12"
        ]
        pupils = [
            await make_student(connection, school.school_id, family=note(chance) or "x", source_id=f"-{number:04}")
            for number in range(20)
        ]
        for class_id in (school.class_id, other):
            await enrol(connection, class_id, pupils)
        await assign(connection, other, school.teacher_id)
        rows = [
            _record(chance, school.school_id, Batch(*place, date(2024, 12, 2) + timedelta(day)), pupil)
            for place in places
            for day in range(15)
            for pupil in pupils
        ]
        await connection.execute(insert(attendances), rows)
    return len(rows)


def _record(chance: random.Random, school_id: int, batch: Batch, student_id: int) -> dict[str, Any]:
    """A random record of any role."""
    status = chance.choice(["present", "absent", "late", "excused", None])
    is_late = status == "late"
    return {
        "school_id": school_id,
        "class_id": batch.class_id,
        "session_id": batch.session_id,
        "learning_date": batch.learning_date,
        "student_id": student_id,
        "status": status,
        "note": note(chance) if status is not None else None,
        "version": 1 if status is not None else 2,
        "arrived_at": "08:10" if is_late else None,
        "left_at": chance.choice([None, "09:00"]) if is_late else None,
        "marked_at": MARKED_AT,
        "marked_role": chance.choice([Role.OFFICE, Role.TEACHER]).value,
        "run_id": RUN_ID,
    }


def note(chance: random.Random) -> str | None:
    return "".join(chance.choices(PIECES, k=chance.randrange(6))) or None


async def state(adsum: Adsum) -> Any:
    """Everything that an import of marks could change."""
    a = attendances.c
    async with adsum.database.snapshot() as connection:
        columns = (a.id, a.status, a.note, a.version, a.arrived_at, a.left_at, a.marked_at, a.marked_role)
        records = await connection.execute(select(*columns).order_by(a.id))
        tables = (attendance_changes, batch_runs)
        counts = [await connection.scalar(select(func.count()).select_from(table)) for table in tables]
        return [tuple(record) for record in records], counts


async def exported(files: Files, role: str, accept: str) -> bytes:
    headers = {"Authorization": f"Bearer {files.api.tokens[role]}", "Accept": accept}
    answer = await files.api.client.get("/attendances", headers=headers)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return answer.content


@pytest.mark.parametrize("accept", [CSV, BOM, XLSX])
async def test_a_file_of_records_changes_nothing(adsum: Adsum, files: Files, recorded: int, accept: str) -> None:
    before = await state(adsum)

    for role in ("office", "teacher"):
        content = await exported(files, role, accept)
        for on_existing in ("skip", "update"):
            kind = accept.partition(";")[0]
            answer = await files.send_bytes(content, role, kind, onExisting=on_existing)
            assert answer.status_code == HTTPStatus.OK, answer.text
            results = answer.json()["batches"]
            assert answer.json()["rows"] == sum(each["totalJobs"] for each in results) == recorded
            assert {(each["addedJobs"], len(each["conflicts"])) for each in results} == {(0, 0)}
            assert {each["message"] for each in results} == {"Nothing to do: all 20 attendances are recorded already"}

    assert await state(adsum) == before


def test_every_column_of_a_file_of_records_is_known() -> None:
    assert set(COLUMNS) <= set(MARKS.known)
    assert set(MARKS.unread) <= set(COLUMNS)


async def test_names_that_a_reader_does_not_see_are_not_needed(adsum: Adsum, files: Files, recorded: int) -> None:
    school_id, before = files.api.school.school_id, await state(adsum)
    permissions = frozenset({Permission.ATTENDANCE_READ, Permission.ATTENDANCE_CREATE})
    key = Caller(Role.KEY, permissions, key_id=1, schools=frozenset({school_id}))
    content = await exported(files, "office", CSV)

    report = await adsum.marks_import.import_file(None, _without_names(content), key, MarksOptions(OnExisting.UPDATE))

    assert (report.rows, {batch.added_jobs for batch in report.batches}) == (recorded, {0})
    assert await state(adsum) == before


def _without_names(content: bytes) -> bytes:
    """The file with empty cells in place of names and titles."""
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    hidden = {header.index(name) for name in ("givenName", "familyName", "classTitle", "sessionTitle")}
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *([c if at not in hidden else "" for at, c in enumerate(row)] for row in rows)])
    return text.getvalue().encode()


async def test_records_are_accepted_although_their_roster_calendar_and_status_have_changed(
    adsum: Adsum, files: Files, recorded: int
) -> None:
    """A line that says what is recorded asks for nothing, so nothing is validated."""
    content = await exported(files, "office", CSV)
    async with adsum.database.transaction() as connection:
        await connection.execute(delete(enrolments))
        await connection.execute(update(students).values(active=False))
        await connection.execute(update(sessions).values(active=False))
        await connection.execute(update(classes).values(active=False))
    before = await state(adsum)

    answer = await files.send_bytes(content, onExisting="update")

    assert answer.status_code == HTTPStatus.OK, answer.text
    assert answer.json()["rows"] == recorded
    assert await state(adsum) == before


async def test_a_changed_line_of_a_file_of_records_is_the_only_change(
    adsum: Adsum, files: Files, worker: RunWorker
) -> None:
    school = files.api.school
    async with adsum.database.transaction() as connection:
        for student_id in school.student_ids:
            batch = Batch(school.class_id, school.session_id, date.fromisoformat(DAY))
            await make_record(connection, school.school_id, batch, student_id, note="'=1;-2")
    content = await exported(files, "office", BOM)
    first, rest = content.split(b"\r\n", 2)[:2], content.split(b"\r\n", 2)[2]
    changed = b"\r\n".join([first[0], first[1].replace(b",present,", b",absent,"), rest])

    kept = await files.send_bytes(changed)
    async with worker():
        corrected = await files.send_bytes(changed, onExisting="update")
        await ended(adsum, corrected.json()["batches"][0]["batchId"])

    (batch,) = kept.json()["batches"]
    assert (batch["totalJobs"], batch["skippedJobs"], len(batch["conflicts"])) == (3, 3, 1)
    (batch,) = corrected.json()["batches"]
    assert (batch["totalJobs"], batch["addedJobs"], batch["skippedJobs"]) == (3, 1, 2)
    items = (await files.api.get("/attendances")).json()["items"]
    assert [(each["status"], each["version"], each["note"]) for each in items] == [
        ("absent", 2, "'=1;-2"),
        ("present", 1, "'=1;-2"),
        ("present", 1, "'=1;-2"),
    ]


async def test_ids_of_a_file_that_contradict_each_other_are_errors_with_line_and_columns(
    adsum: Adsum, files: Files, recorded: int
) -> None:
    lines = (await exported(files, "office", CSV)).split(b"\r\n")
    wrong = b"\r\n".join([lines[0], *(line.replace(b"'-0003", b"'-0004") for line in lines[1:])])

    answer = await files.send_bytes(wrong)

    errors = answer.json()["errors"]
    assert recorded
    assert {error["code"] for error in errors} == {"names_differ"}
    assert errors[0]["params"]["columns"] == ["studentId", "studentSourcedId"]
    assert errors[0]["detail"].startswith("line ")


async def test_an_empty_status_is_that_of_a_cleared_mark_only(adsum: Adsum, files: Files) -> None:
    first, second, third = files.students
    school = files.api.school
    batch = Batch(school.class_id, school.session_id, date.fromisoformat(DAY))
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch, first, status=None)
        await make_record(connection, school.school_id, batch, second)

    answer = await files.send(*[files.line(student, "") for student in (first, second, third)])

    assert violations(answer) == {("marks.csv:3", "missing_value"), ("marks.csv:4", "missing_value")}
    assert [error["params"]["column"] for error in answer.json()["errors"]] == ["status", "status"]
    assert answer.json()["errors"][0]["detail"].startswith("line 3: the status is empty: use one of present, ")


@pytest.mark.every_case
@pytest.mark.parametrize("same", [True, False])
async def test_a_file_from_before_a_merge_changes_nothing(adsum: Adsum, files: Files, same: bool) -> None:
    """The removed record and the kept one have a mark in one session, and the removed one another mark alone."""
    school, (kept, removed, _) = files.api.school, files.students
    both, alone = (Batch(school.class_id, school.session_id, date(2024, 12, day)) for day in (2, 3))
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, both, kept, status="late", note="bus")
        await make_record(connection, school.school_id, both, removed, status="late" if same else "absent")
        await make_record(connection, school.school_id, alone, removed, status="absent", note="ill")
    content = await exported(files, "office", CSV)
    await adsum.student_merges.merge(
        kept, removed, MergeChoices(Prefer.KEEP, allow_different_names=True), system_caller()
    )
    before = await state(adsum)

    answer = await files.send_bytes(content, onExisting="update")
    backwards = b"\r\n".join([content.split(b"\r\n")[0], *reversed(content.split(b"\r\n")[1:])])
    turned = await files.send_bytes(backwards, onExisting="update")

    assert await state(adsum) == before
    if same:
        for each in (answer, turned):
            assert each.status_code == HTTPStatus.OK, each.text
            batches = sorted(each.json()["batches"], key=lambda batch: batch["batchId"])
            counts = [(batch["totalJobs"], batch["addedJobs"], len(batch["conflicts"])) for batch in batches]
            assert counts == [(2, 0, 0), (1, 0, 0)]
    else:
        (error,) = answer.json()["errors"]
        assert (error["code"], error["params"]["column"]) == ("student_repeated", "studentId")
        assert error["detail"] == (
            f"line 3: studentId '{removed}' and studentId '{kept}' of line 2 are one student since their records "
            "were merged, but the lines have different marks: keep one of them"
        )


async def test_notes_are_stored_without_blanks_at_their_ends_in_every_way_in(
    adsum: Adsum, files: Files, worker: RunWorker
) -> None:
    first, second, third = files.students
    api, written, stored = files.api, " \tbus,\n late\u3000 ", "bus,\n late"
    marks = [{"studentId": first, "status": "late", "note": written}]
    async with worker():
        sent = await api.create(isSelectedAll=False, marks=marks)
        await ended(adsum, sent.json()["batchId"])
        line = f'{files.line(second, "late")},"{written}"'
        imported = await files.send(line, header=f"{HEADER},note")
        await ended(adsum, imported.json()["batches"][0]["batchId"])
        await ended(adsum, (await files.send(files.line(third))).json()["batches"][0]["batchId"])
    (record,) = [each for each in (await api.get("/attendances")).json()["items"] if each["studentId"] == third]
    corrected = await api.change(
        "PATCH", f"/attendances/{record['id']}", "office", '"1"', json={"note": written, "officeNote": written}
    )
    assert corrected.is_success, corrected.text
    again = await api.create(isSelectedAll=False, marks=marks)
    too_long = await api.create(isSelectedAll=False, marks=[{**marks[0], "note": f" {'x' * 501} "}])
    fits = await api.create(isSelectedAll=False, marks=[{**marks[0], "note": f" {'x' * 500} "}])

    items = (await api.get("/attendances")).json()["items"]
    assert [each["note"] for each in items] == [stored] * 3
    assert corrected.json()["officeNote"] == stored
    assert again.json()["conflicts"] == []
    assert violations(too_long) == {("/marks/0/note", "too_long")}
    assert fits.is_success, fits.text
    before = await state(adsum)
    unchanged = await files.send_bytes(await exported(files, "office", CSV), onExisting="update")
    assert unchanged.status_code == HTTPStatus.OK, unchanged.text
    assert await state(adsum) == before


async def test_blanks_at_the_ends_of_notes_of_older_versions_are_no_difference(adsum: Adsum, files: Files) -> None:
    school, (first, *_) = files.api.school, files.students
    async with adsum.database.transaction() as connection:
        batch = Batch(school.class_id, school.session_id, date.fromisoformat(DAY))
        await make_record(connection, school.school_id, batch, first, status="late", note=" bus ")

    answer = await files.api.create(
        isSelectedAll=False, onExisting="update", marks=[{"studentId": first, "status": "late", "note": "bus"}]
    )

    assert (answer.status_code, answer.json()["conflicts"]) == (HTTPStatus.OK, [])


async def test_what_an_open_run_has_yet_to_record_is_a_conflict(adsum: Adsum, files: Files) -> None:
    school, (first, *_) = files.api.school, files.students
    batch = Batch(school.class_id, school.session_id, date.fromisoformat(DAY))
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, batch, first)
    await files.send(files.line(first, "absent"), onExisting="update")

    answer = (await files.send(files.line(first, "present"))).json()["batches"][0]

    assert (answer["isSkipped"], [each["recorded"] for each in answer["conflicts"]]) == (True, ["absent"])


async def test_a_teacher_learns_no_mark_of_a_day_before_they_taught(adsum: Adsum, files: Files) -> None:
    school, (first, *_) = files.api.school, files.students
    earlier = Batch(school.class_id, school.session_id, date(2024, 8, 1))
    async with adsum.database.transaction() as connection:
        await make_record(connection, school.school_id, earlier, first)

    lines = [files.line(first, status, day="2024-08-01") for status in ("present", "absent")]
    answers = [await files.send(line, role="teacher") for line in lines]

    assert [violations(answer) for answer in answers] == [{("marks.csv:2", "unknown_class")}] * 2


async def test_a_file_of_several_schools_is_imported_by_the_ids_of_its_classes(adsum: Adsum, files: Files) -> None:
    first = files.api.school
    async with adsum.database.transaction() as connection:
        second = await make_school(connection)
        for school in (first, second):
            batch = Batch(school.class_id, school.session_id, date.fromisoformat(DAY))
            await make_record(connection, school.school_id, batch, school.student_ids[0])
    admin = Caller(Role.ADMIN, frozenset(Permission))
    lines = [f"{each.class_id},,{each.session_id},{each.student_ids[0]},{DAY},present" for each in (first, second)]

    async def sent(*rows: str) -> Sequence[Any]:
        content = "\n".join(["classId,class,sessionId,studentId,date,status", *rows]).encode()
        return (await adsum.marks_import.import_file(None, content, admin, MarksOptions())).batches

    assert [(each.total_jobs, each.added_jobs) for each in await sent(*lines)] == [(1, 0), (1, 0)]
    with pytest.raises(Invalid) as refused:
        await sent(lines[0], f",7b,{first.session_id},1,{DAY},present", f"999,,{first.session_id},1,{DAY},present")
    assert [(each.pointer, each.code) for each in refused.value.violations] == [
        ("marks.csv:3", "several_schools"),
        ("marks.csv:4", "unknown_class"),
    ]
    with pytest.raises(Invalid) as without_ids:
        await sent(f",7b,{first.session_id},1,{DAY},present")
    assert [(each.pointer, each.code) for each in without_ids.value.violations] == [("/schoolId", "missing_field")]
