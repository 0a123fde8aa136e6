"""The export of a student's data contains all of it, and an erasure leaves nothing."""

from __future__ import annotations

import logging
import re
from contextlib import nullcontext
from dataclasses import fields
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects import postgresql

from adsum.absences.tables import absences, due_absences
from adsum.accounts.access import system_caller
from adsum.batches.repository.jobs import insert_records
from adsum.batches.repository.runs import close_runs, newest_run
from adsum.batches.tables import batch_runs
from adsum.operations.pruning import LogTruncation
from adsum.platform.clock import system_clock
from adsum.platform.database.columns import metadata
from adsum.platform.ids import Batch, parse_batch_id
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.merging.rules import MergeChoices
from adsum.registers.order.rules import RegisterOrder, SortBy
from adsum.registers.tables import desk_entries
from adsum.reports.service import Summaries
from adsum.reports.tables import class_days, school_days, student_days
from adsum.roster.tables import student_schools, students
from tests.attendance.corrections.conftest import Register
from tests.support.api import DAY, Api
from tests.support.installation import ended, one_student_away
from tests.support.live import ROOT
from tests.support.runs import LATER, inserts, make_run, slices
from tests.support.schools import (
    SchoolIds,
    add_school,
    enrol,
    make_bare_school,
    make_class,
    make_contact,
    make_session,
    make_student,
)
from tests.support.statements import Sent, statements_sent

NOTE = "a very private note"


def student_of(register: Register) -> int:
    return register.api.school.student_ids[0]


async def erase(api: Api, student_id: int, role: str = "office") -> httpx2.Response:
    return await api.change("DELETE", f"/students/{student_id}", role, None)


async def with_traces_everywhere(register: Register) -> None:
    """Leaves data about the first student in every table that has any."""
    await register.correct(status="late", note=NOTE, reason=NOTE)
    marks = [{"studentId": student_of(register), "status": "excused", "note": NOTE}]
    await register.api.create("office", key="again", isSelectedAll=False, marks=marks)
    failing = await register.api.create("office", learningDate="2024-12-20", marks=marks)
    async with one_student_away(register.adsum, student_of(register)), register.worker():
        await ended(register.adsum, failing.json()["batchId"])
    absence = {"studentIds": [student_of(register)], "from": "2024-12-18", "to": "2024-12-18", "status": "excused"}
    entered = await register.api.post("/absences", absence | {"reason": NOTE}, "office", {"Idempotency-Key": "absence"})
    path = f"/absences/{entered.json()['items'][0]['id']}"
    changed = await register.api.change("PATCH", path, "office", '"1"', json={"reason": f"{NOTE}, again"})
    assert changed.is_success, changed.text
    other = f"/attendances/{register.records[1]}"
    assert (await register.api.change("DELETE", other, "office", '"1"', json=None)).is_success
    await with_visits_and_calls(register)
    await register.mark()
    await Summaries(register.adsum.database).refresh(register.api.school.school_id)
    async with register.adsum.database.transaction() as connection:
        run_id = (await connection.execute(select(batch_runs.c.run_id).limit(1))).scalar_one()
        absence_id = (await connection.execute(select(absences.c.id))).scalar_one()
        await connection.execute(insert(due_absences).values(run_id=run_id, absence_id=absence_id))
        second = await make_student(connection, register.api.school.school_id, given=NOTE)
    school = register.api.school
    seats = RegisterOrder(SortBy.SEATS, (student_of(register),))
    batch = Batch(school.class_id, school.session_id, date(2024, 12, 25))
    await register.adsum.register_orders.choose(batch, seats, system_caller())
    holds = register.adsum.holds
    hold = await holds.place(student_of(register), HoldReason.OTHER, NOTE, system_caller())
    await holds.lift(hold.id, system_caller())
    await register.adsum.student_merges.merge(
        student_of(register), second, MergeChoices(allow_different_names=True), system_caller()
    )


async def with_visits_and_calls(register: Register) -> None:
    """Enters a call about the first student, a late arrival, and a contact of the roster."""
    call = {"studentId": student_of(register), "date": "2024-12-18", "result": "reached", "person": NOTE, "note": NOTE}
    assert (await register.api.post("/contacts", call, "office")).is_success
    visit = {"school_id": register.api.school.school_id, "student_id": student_of(register), "kind": "arrival"}
    visit |= {"time": "09:00", "reason": NOTE, "status": "absent", "runs": [], "entered_role": "office"}
    async with register.adsum.database.transaction() as connection:
        entered = insert(desk_entries).values(day=date(2024, 12, 18), entered_at=system_clock(), **visit)
        await connection.execute(entered)
        await make_contact(connection, register.api.school.school_id, student_of(register), email=NOTE)


def tables_after(words: str, sent: Sent) -> set[str]:
    """Returns the tables that follow one of `words`, such as `FROM|JOIN`, in these statements."""
    pattern = re.compile(rf"\b(?:{words})\s+(\w+)", re.IGNORECASE)
    return {table for statement, _ in sent for table in pattern.findall(statement)}


async def everything(register: Register) -> str:
    """Every value of every table, as text."""
    async with register.adsum.database.snapshot() as connection:
        tables = [(await connection.execute(select(table))).all() for table in metadata.sorted_tables]
    return repr(tables)


async def test_all_data_about_a_student_is_exported(register: Register) -> None:
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
    assert [(each["classTitle"], each["place"]) for each in data["seats"]] == [("7b", 1)]
    assert [(each["familyName"], each["phone"], each["email"]) for each in data["studentContacts"]] == [
        ("Byron", "030 1234", NOTE)
    ]
    assert [each["code"] for each in data["failures"]] == ["not_enrolled"]
    (absence,) = data["absences"]
    assert [(each["version"], each["reason"]) for each in absence["versions"]] == [(1, NOTE), (2, f"{NOTE}, again")]
    (conflict,) = data["conflicts"]
    assert (conflict["recorded"]["status"], conflict["recorded"]["note"]) == ("late", NOTE)
    assert (conflict["requested"]["status"], conflict["requested"]["note"]) == ("excused", NOTE)
    (answer,) = data["answers"]
    assert (answer["content"]["studentId"], answer["content"]["reason"]) == (student_of(register), NOTE)
    assert ("2024-12-20", "excused", NOTE) in {
        (each["learningDate"], each["status"], each["note"]) for each in data["requests"]
    }


async def test_every_section_of_the_export_is_filled(register: Register) -> None:
    await with_traces_everywhere(register)

    data = await register.adsum.student_data.export(student_of(register), system_caller())

    empty = {each.name for each in fields(data) if not getattr(data, each.name)}
    assert empty == {"contradictions", "schools"}
    assert [each["changes"] for each in data.records] != [[]]
    assert [(len(each["versions"]), len(each["pending"])) for each in data.absences] == [(2, 1)]
    assert {each["learning_date"].isoformat() for each in data.kept_records} == {DAY}


async def test_every_table_that_an_erasure_changes_is_exported(register: Register) -> None:
    await with_traces_everywhere(register)
    student_data = register.adsum.student_data

    with statements_sent(register.adsum.database) as exported:
        await student_data.export(student_of(register), system_caller())
    with statements_sent(register.adsum.database) as erased:
        await student_data.erase(student_of(register), system_caller())

    changed = tables_after("DELETE FROM|UPDATE", erased)
    # Totals of a class and of a school are not personal data.
    changed -= {"class_days", "school_days"}
    # They have the id of the student beside what the export has of them.
    changed -= {"events", "new_events", "announcements"}
    assert {"students", "attendances", "absence_versions", "idempotency_keys", "batch_runs"} <= changed
    assert changed - tables_after("FROM|JOIN", exported) == set()


async def test_every_table_with_a_student_is_exported_and_erased(register: Register) -> None:
    await with_traces_everywhere(register)
    student_data = register.adsum.student_data
    of_students = {table.name for table in metadata.sorted_tables if "student_id" in table.c}

    with statements_sent(register.adsum.database) as exported:
        await student_data.export(student_of(register), system_caller())
    with statements_sent(register.adsum.database) as erased:
        await student_data.erase(student_of(register), system_caller())

    assert of_students - tables_after("FROM|JOIN", exported) == set()
    # Entries stay, with the id alone.
    assert of_students - tables_after("DELETE FROM", erased) == {"audit_entries"}


async def test_an_erasure_leaves_only_counts(register: Register) -> None:
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


@pytest.mark.parametrize("reads_meanwhile", [False, True])
async def test_no_file_contains_the_names_of_an_erased_student(
    register: Register, tmp_path: Path, reads_meanwhile: bool
) -> None:
    """Neither the name of the student, nor that of a merged record, nor a name before a change."""
    database, names = register.adsum.database, ["Xylanthe", "Quorvane", NOTE]
    if database.is_postgres:
        pytest.skip("Postgres has no files of the data folder")
    for name in names[:2]:
        async with database.transaction() as connection:
            is_student = students.c.id == student_of(register)
            await connection.execute(update(students).where(is_student).values(given_name=name))
    await with_traces_everywhere(register)
    assert [name for name in names if not found_in(tmp_path, name)] == []

    async with database.snapshot() if reads_meanwhile else nullcontext() as reader:
        if reader is not None:
            await reader.execute(select(students))
        assert (await erase(register.api, student_of(register))).is_success
        assert bool(found_in(tmp_path, NOTE)) is reads_meanwhile
    await LogTruncation(database, system_clock).truncate_if_due()

    assert [found_in(tmp_path, name) for name in names] == [[], [], []]


def found_in(folder: Path, name: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if name.encode() in path.read_bytes()]


def documented_vacuum() -> list[str]:
    page = (ROOT / "docs" / "how-to" / "student-data.md").read_text(encoding="utf-8")
    return re.findall(r"`(VACUUM \(FULL[^`]*)`", page)


async def test_the_documented_vacuum_names_every_table_with_texts_about_a_student(register: Register) -> None:
    await with_traces_everywhere(register)
    with statements_sent(register.adsum.database) as erased:
        await register.adsum.student_data.erase(student_of(register), system_caller())

    # Of schools and sessions an erasure changes a lock and a fence.
    # The only text of an announcement is its type.
    changed = tables_after("DELETE FROM|UPDATE", erased) - {"schools", "sessions", "announcements"}
    texts = ("VARCHAR", "TEXT", "JSON")
    with_texts = {
        table.name
        for table in metadata.sorted_tables
        if table.name in changed
        and any(column.type.compile(postgresql.dialect()).startswith(texts) for column in table.c)
    }
    assert {"students", "student_holds", "idempotency_keys"} <= with_texts
    assert with_texts - set(re.findall(r"\w+", " ".join(documented_vacuum()))) == set()


async def test_the_documented_vacuum_removes_names_from_the_statistics_of_postgres(register: Register) -> None:
    """They are samples of each column, which deleting rows leaves as they are."""
    database = register.adsum.database
    if not database.is_postgres:
        pytest.skip("SQLite has statistics of indexes only")
    samples = text("SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename = 'students'")
    async with database.transaction() as connection:
        is_student = students.c.id == student_of(register)
        await connection.execute(update(students).where(is_student).values(given_name="Xylanthe"))
    async with database.autocommit_read() as connection:
        await connection.execute(text("ANALYZE students"))
        assert "Xylanthe" in repr((await connection.execute(samples)).all())
    await register.adsum.student_data.erase(student_of(register), system_caller())

    async with database.autocommit_read() as connection:
        for statement in documented_vacuum():
            await connection.execute(text(statement))
        assert "Xylanthe" not in repr((await connection.execute(samples)).all())


async def test_the_ids_of_an_erased_student_and_of_their_records_are_not_used_again(register: Register) -> None:
    """Otherwise a correction that still names an erased record would change another student's."""
    newest, path = register.api.school.student_ids[-1], f"/attendances/{register.records[-1]}"
    assert (await erase(register.api, newest)).is_success

    async with register.adsum.database.transaction() as connection:
        student_id = await make_student(connection, register.api.school.school_id)
        await enrol(connection, register.api.school.class_id, [student_id])
    await register.mark()

    assert student_id > newest
    items = (await register.api.get("/attendances")).json()["items"]
    assert {item["id"] for item in items} > set(register.records[:-1])
    assert register.records[-1] not in {item["id"] for item in items}
    stale = await register.api.change("PATCH", path, "office", '"1"', json={"status": "absent"})
    assert stale.status_code == HTTPStatus.NOT_FOUND


async def test_an_erasure_removes_the_student_from_unchanged_records_of_plans(register: Register) -> None:
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
async def test_export_and_erasure_need_the_permission(register: Register, role: str) -> None:
    assert (await erase(register.api, student_of(register), role)).status_code == HTTPStatus.FORBIDDEN
    path = f"/students/{student_of(register)}/data"
    assert (await register.api.get(path, role)).status_code == HTTPStatus.FORBIDDEN


async def test_foreign_and_unknown_students_are_the_same_error(register: Register) -> None:
    async with register.adsum.database.transaction() as connection:
        stranger = await make_student(connection, await make_bare_school(connection, name="Elsewhere"))

    for student_id in (stranger, stranger + 1):
        assert (await erase(register.api, student_id)).status_code == HTTPStatus.NOT_FOUND
        assert (await register.api.get(f"/students/{student_id}/data")).status_code == HTTPStatus.NOT_FOUND


async def test_the_data_of_a_student_of_two_schools_need_the_rights_of_both(register: Register) -> None:
    student_id, school = student_of(register), register.api.school.school_id
    async with register.adsum.database.transaction() as connection:
        former = await make_bare_school(connection, name="Elsewhere")
        class_id = await make_class(connection, former)
        batch = Batch(class_id, await make_session(connection, class_id), date(2024, 12, 2))
        await enrol(connection, class_id, [student_id])
        taken = SchoolIds(former, class_id, batch.session_id, [student_id], 1)
        run = await make_run(connection, taken, inserts([student_id]), batch=batch)
        await insert_records(connection, slices(run))
        await close_runs(connection, [run.run_id], LATER)
        await add_school(connection, student_id, former)
    for each in (school, former):
        await Summaries(register.adsum.database).refresh(each)

    refused = [await erase(register.api, student_id), await register.api.get(f"/students/{student_id}/data")]

    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [
        (HTTPStatus.FORBIDDEN, "student_of_other_schools")
    ] * 2
    data = await register.adsum.student_data.export(student_id, system_caller())
    assert data.schools == [{"school": "Elsewhere", "sourced_id": None, "active": False}]
    assert {each["day"] for each in data.days} == {date.fromisoformat(DAY), batch.learning_date}
    assert (await register.adsum.student_data.erase(student_id, system_caller())).records == 2
    async with register.adsum.database.snapshot() as connection:
        for table in (class_days, school_days, student_days, student_schools):
            left = await connection.scalar(select(func.count()).select_from(table).where(table.c.school_id == former))
            assert left == 0, table


async def test_exports_and_erasures_are_logged_with_caller_and_student(
    register: Register, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adsum")

    await register.api.get(f"/students/{student_of(register)}/data")
    await erase(register.api, student_of(register))

    logged = [vars(each) for each in caplog.records if each.message.startswith("student")]
    assert [each["message"] for each in logged] == ["student data exported", "student erased"]
    assert {(each["student_id"], each["actor"].split("-")[0]) for each in logged} == {(student_of(register), "user")}


async def test_the_export_names_the_source_id_at_each_other_school(register: Register) -> None:
    student_id = student_of(register)
    async with register.adsum.database.transaction() as connection:
        former, second = [await make_bare_school(connection, name=name) for name in ("Parkschule", "Seeschule")]
        await add_school(connection, student_id, former, source_id="p-17")
        await add_school(connection, student_id, second)
        await make_student(connection, second, source_id="s-4", merged_into=student_id)

    data = await register.adsum.student_data.export(student_id, system_caller())

    assert [(each["school"], each["sourced_id"]) for each in data.schools] == [
        ("Parkschule", "p-17"),
        ("Seeschule", "s-4"),
    ]
