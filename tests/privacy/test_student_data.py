"""The export of a student's data contains all of it, and an erasure leaves nothing."""

from __future__ import annotations

import logging
from dataclasses import fields
from datetime import date
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import func, select, text

from adsum.accounts.access import system_caller
from adsum.batches.repository.jobs import insert_records
from adsum.batches.repository.runs import close_runs, newest_run
from adsum.platform.database.columns import metadata
from adsum.platform.ids import Batch, parse_batch_id
from adsum.reports.service import Summaries
from adsum.reports.tables import class_days, school_days, student_days
from adsum.roster.tables import student_schools
from tests.attendance.corrections.conftest import Register
from tests.privacy.traces import NOTE, erase, student_of, tables_after, with_traces_everywhere
from tests.support.api import DAY
from tests.support.runs import LATER, inserts, make_run, slices
from tests.support.schools import (
    SchoolIds,
    add_school,
    enrol,
    make_bare_school,
    make_class,
    make_session,
    make_student,
)
from tests.support.statements import statements_sent


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
