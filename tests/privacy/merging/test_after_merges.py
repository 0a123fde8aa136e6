"""A student whose records were merged: late messages, registers, files, searches and erasures."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus

from sqlalchemy import select, update

from adsum.accounts.access import Role
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.repository.runs import find_runs
from adsum.platform.paging import PageRequest
from adsum.privacy.tables import student_merges
from adsum.reports.rules import GroupBy
from adsum.reports.service import Scope
from tests.attendance.corrections.conftest import Register
from tests.privacy.merging.merges import NEXT_DAY, mark, merge, second_record, statuses_of
from tests.privacy.test_student_data import everything, student_of
from tests.support.api import violations
from tests.support.installation import ended
from tests.support.schools import caller


async def test_reports_count_the_student_once_after_a_merge(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    await mark(register, **{f"s{removed}": "absent"})
    await mark(register, NEXT_DAY, **{f"s{removed}": "absent"})
    school_id = register.api.school.school_id
    scope = Scope(school_id, date(2024, 12, 1), date(2024, 12, 31))
    office, reports = caller(Role.OFFICE, school_id), register.adsum.reports
    assert {row.key for row in (await reports.rates(scope, GroupBy.STUDENT, office, PageRequest())).items} >= {
        kept,
        removed,
    }

    assert (await merge(register, kept, removed, prefer="remove")).is_success

    rows = {row.key: row.counts for row in (await reports.rates(scope, GroupBy.STUDENT, office, PageRequest())).items}
    assert removed not in rows
    assert (rows[kept].sessions, rows[kept].absent, rows[kept].days, rows[kept].unmarked) == (2, 2, 2, 0)


async def test_a_merge_that_another_release_has_stored_is_exported(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    await mark(register, NEXT_DAY, **{f"s{removed}": "late"})
    assert (await merge(register, kept, removed)).is_success
    async with register.adsum.database.transaction() as connection:
        (stored,) = (await connection.execute(select(student_merges.c.moved, student_merges.c.removed))).all()
        other = {name: number for name, number in stored.moved.items() if name != "failures"}
        values = {"moved": other | {"seats": 2}, "removed": stored.removed | {"pronouns": "she"}}
        await connection.execute(update(student_merges).values(values))

    answer = await register.api.get(f"/students/{kept}/data")

    assert answer.status_code == HTTPStatus.OK
    (exported,) = answer.json()["merges"]
    assert (exported["moved"]["records"], exported["moved"]["failures"]) == (1, 0)
    assert exported["removed"]["id"] == removed


async def test_a_message_of_an_ended_run_that_arrives_after_the_merge_records_nothing(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    marks = [{"studentId": removed, "status": "late"}]
    sent = await register.api.create("office", learningDate="2024-12-20", isSelectedAll=False, marks=marks)
    async with register.adsum.database.snapshot() as connection:
        run_id = sent.json()["runId"]
        run = (await find_runs(connection, [run_id]))[run_id]
    async with register.worker():
        await ended(register.adsum, run.batch.id)
    assert (await merge(register, kept, removed)).is_success
    before = await everything(register)

    await register.adsum.processor.process(chunks_of(run))

    assert await everything(register) == before
    details = (await register.api.get(f"/attendances/batches/{run.batch.id}")).json()
    assert [(each["studentId"], each["outcome"]) for each in details["jobs"]["items"]] == [(kept, "recorded")]
    assert (details["totalJobs"], details["recordedJobs"], details["remainingJobs"]) == (1, 1, 0)


async def test_a_register_that_is_taken_after_the_merge_has_the_student_once(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    absence = {"studentIds": [removed], "from": "2024-12-20", "to": "2024-12-20", "status": "excused", "reason": "trip"}
    assert (await register.api.post("/absences", absence, "office")).is_success
    assert (await merge(register, kept, removed)).is_success

    taken = await register.mark(learningDate="2024-12-20")
    old = await register.api.create("office", isSelectedAll=False, marks=[{"studentId": removed, "status": "late"}])
    late = await register.api.post("/absences", absence, "office")

    assert taken["addedJobs"] == 3
    assert (await statuses_of(register, kept))["2024-12-20"] == "excused"
    assert old.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert violations(late) == {("/studentIds/0", "unknown_student")}


async def test_a_file_with_the_removed_source_id_marks_the_kept_student(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register, "0117")
    assert (await merge(register, kept, removed)).is_success
    lines = f"classId,sessionId,student,date,status\n{register.api.school.class_id},{register.api.school.session_id}"

    for role in ("office", "teacher"):
        sent = await register.api.client.post(
            "/attendances/import",
            content=f"{lines},0117,{NEXT_DAY},late\n",
            headers={"Authorization": f"Bearer {register.api.tokens[role]}", "Content-Type": "text/csv"},
            params={"onExisting": "update"},
        )
        assert sent.is_success, sent.text
        async with register.worker():
            await ended(register.adsum, sent.json()["batches"][0]["batchId"])

    assert (await statuses_of(register, kept))[NEXT_DAY] == "late"


async def test_searches_and_puts_of_the_removed_source_id_find_the_kept_student(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register, "old-1")
    assert (await merge(register, kept, removed)).is_success

    put = await register.api.change(
        "PUT",
        "/students/by-source/old-1",
        "office",
        None,
        json={"givenName": "Adele", "familyName": "Byron", "active": False},
    )
    enrolled = await register.api.change(
        "PUT",
        "/enrolments/by-source/e-1",
        "office",
        None,
        json={"classSourcedId": "c-1", "studentSourcedId": "old-1"},
    )

    assert (put.status_code, put.json()["id"]) == (HTTPStatus.OK, kept), put.text
    assert {code for _, code in violations(enrolled)} == {"unknown_class"}
    for query in ({"sourcedId": "old-1"}, {"q": "Adele"}, {"q": "old-1"}, {}):
        items = (await register.api.get("/students", **query)).json()["items"]
        assert removed not in {each["id"] for each in items}
        assert {"id": kept, "givenName": "Given 1", "active": True}.items() <= next(
            each for each in items if each["id"] == kept
        ).items()


async def test_a_student_without_a_source_id_gets_the_removed_one(register: Register) -> None:
    kept, removed = student_of(register), await second_record(register, first_source_id=None, grade="7")

    merged = (await merge(register, kept, removed)).json()

    assert [merged[each]["sourcedId"] for each in ("student", "removed")] == ["old-1", "old-1"]
    (found,) = (await register.api.get("/students", sourcedId="old-1")).json()["items"]
    assert (found["id"], found["sourcedId"], found["grade"]) == (kept, "old-1", "7")


async def test_an_erasure_of_the_kept_student_erases_the_merged_records(register: Register) -> None:
    kept, removed = student_of(register), await second_record(register, "old-1", family="Secretname")
    assert (await merge(register, kept, removed)).is_success

    assert (await register.api.change("DELETE", f"/students/{removed}", "office", None)).status_code == 404
    assert (await register.api.change("DELETE", f"/students/{kept}", "office", None)).is_success

    assert "Secretname" not in await everything(register)
