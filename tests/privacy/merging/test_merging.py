"""Merges of two records of one student: what moves, what is refused, and what names the student afterwards."""

from __future__ import annotations

import logging
from datetime import date
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update

from adsum.accounts.access import Role, system_caller
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.repository.runs import find_runs
from adsum.platform.database.columns import metadata
from adsum.platform.errors import Invalid
from adsum.platform.paging import PageRequest
from adsum.privacy.merging.rules import MergeChoices, Moved
from adsum.privacy.rules import OtherSchools
from adsum.reports.rules import GroupBy
from adsum.reports.service import Scope, Summaries
from adsum.roster.repository.students import find_student
from adsum.roster.tables import students
from tests.attendance.corrections.conftest import Register
from tests.privacy.test_student_data import everything, student_of, tables_after, with_traces_everywhere
from tests.support.api import DAY, violations
from tests.support.installation import ended
from tests.support.runs import batch_of
from tests.support.schools import caller, enrol, make_bare_school, make_record, make_school, make_student
from tests.support.statements import statements_sent

ALLOWED = MergeChoices(allow_different_names=True)
NEXT_DAY = "2024-12-26"


async def merge(register: Register, keep: int, remove: int, role: str = "office", **fields: Any) -> httpx2.Response:
    """Merges two records. Their names differ in most tests, so that each test sees whose they are."""
    body = {"removedStudentId": remove, "allowDifferentNames": True, **fields}
    return await register.api.post(f"/students/{keep}/merge", body, role)


async def second_record(
    register: Register, source_id: str = "old-1", first_source_id: str | None = "new-1", **columns: Any
) -> int:
    """Adds a second record of the first student, in the same class; the first one has the source id new-1."""
    async with register.adsum.database.transaction() as connection:
        of_first = update(students).where(students.c.id == student_of(register))
        await connection.execute(of_first.values(source_id=first_source_id))
        student_id = await make_student(
            connection, register.api.school.school_id, given="Adá", source_id=source_id, **columns
        )
        await enrol(connection, register.api.school.class_id, [student_id])
    return student_id


async def mark(register: Register, day: str = DAY, **statuses_by_student: str) -> dict[str, Any]:
    marks = [{"studentId": int(each[1:]), "status": status} for each, status in statuses_by_student.items()]
    return await register.mark(isSelectedAll=False, marks=marks, learningDate=day)


def office_school(register: Register) -> int:
    return register.api.school.school_id


async def mark_as(register: Register, role: str, marks: list[dict[str, Any]]) -> None:
    answer = await register.api.create(role, isSelectedAll=False, marks=marks)
    assert answer.is_success, answer.text
    async with register.worker():
        await ended(register.adsum, answer.json()["batchId"])


async def statuses_of(register: Register, student_id: int) -> dict[str, str | None]:
    items = (await register.api.get("/attendances", studentId=student_id)).json()["items"]
    return {each["learningDate"]: each["status"] for each in items}


async def test_everything_moves_in_every_table_with_a_student(register: Register) -> None:
    removed = student_of(register)
    await with_traces_everywhere(register)
    async with register.adsum.database.transaction() as connection:
        kept = await make_student(connection, register.api.school.school_id, given="Kept")
    before = (await register.api.get(f"/students/{removed}/data")).json()
    of_students = {table.name for table in metadata.sorted_tables if "student_id" in table.c}

    with statements_sent(register.adsum.database) as sent:
        merged = await register.adsum.student_merges.merge(kept, removed, ALLOWED, system_caller())

    assert merged.moved == Moved(records=1, absences=1, enrolments=1, disputed_marks=0, failures=1)
    # A new table with a student has to move, too. JSON in these two tables names students.
    # Entries are never changed, and exported with those of merged records.
    of_students -= {"audit_entries"}
    assert of_students | {"students", "batch_runs", "idempotency_keys"} <= tables_after("DELETE FROM|UPDATE", sent)
    after = (await register.api.get(f"/students/{kept}/data")).json()
    of_summaries = {"student", "days", "months", "unmarked", "merges", "auditEntries"}
    for answer in before["answers"]:
        answer["content"]["studentId"] = kept
    assert {name: rows for name, rows in after.items() if name not in of_summaries} == {
        name: rows for name, rows in before.items() if name not in of_summaries
    }
    assert after["merges"][-1]["removed"]["id"] == removed
    await Summaries(register.adsum.database).refresh(register.api.school.school_id)
    summarised = (await register.api.get(f"/students/{kept}/data")).json()
    assert (summarised["days"], summarised["months"]) == (before["days"], before["months"])
    async with register.adsum.database.snapshot() as connection:
        for table in metadata.sorted_tables:
            if table.name in of_students and "student_id" in table.c:
                left = (await connection.execute(select(table).where(table.c.student_id == removed))).all()
                assert left == [], table.name


async def test_days_on_which_both_have_a_record_need_a_choice_and_nothing_happens_without_it(
    register: Register,
) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    await mark(register, **{f"s{removed}": "late"})
    await mark(register, NEXT_DAY, **{f"s{removed}": "absent", f"s{kept}": "present"})
    before = await everything(register)

    refused = await merge(register, kept, removed)
    shown = await merge(register, kept, removed, dryRun=True)

    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.CONFLICT, "choice_needed")
    assert [
        (each["code"], each["params"]["learningDate"], each["params"]["keep"], each["params"]["remove"])
        for each in refused.json()["errors"]
    ] == [("both_recorded", DAY, "present", "late"), ("both_recorded", NEXT_DAY, "present", "absent")]
    assert "7b, Attendance: both have a record, present to keep and late to remove" in refused.text
    assert shown.status_code == HTTPStatus.OK
    assert shown.json()["mergedAt"] is None
    assert [(each["learningDate"], each["prefer"]) for each in shown.json()["doubles"]] == [
        (DAY, None),
        (NEXT_DAY, None),
    ]
    assert await everything(register) == before


@pytest.mark.parametrize(
    ("fields", "first", "second"),
    [
        ({"prefer": "keep"}, "present", "present"),
        ({"prefer": "remove"}, "late", "absent"),
        ({"prefer": "keep", "choices": [{"learningDate": DAY, "prefer": "remove"}]}, "late", "present"),
    ],
    ids=["keep", "remove", "one day"],
)
async def test_the_chosen_record_holds_with_its_history(
    register: Register, fields: dict[str, Any], first: str, second: str
) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    await mark(register, **{f"s{removed}": "present"})
    of_removed = [{"studentId": removed, "status": "late"}]
    await register.mark(isSelectedAll=False, onExisting="update", marks=of_removed, learningDate=DAY)
    await mark(register, NEXT_DAY, **{f"s{removed}": "absent", f"s{kept}": "present"})
    await mark(register, "2024-12-27", **{f"s{removed}": "excused"})

    answer = await merge(register, kept, removed, **fields)

    assert answer.status_code == HTTPStatus.OK, answer.text
    assert answer.json()["moved"]["records"] == 1
    assert await statuses_of(register, kept) == {DAY: first, NEXT_DAY: second, "2024-12-27": "excused"}
    assert await statuses_of(register, removed) == {}
    history = (await register.history("office"))["items"]
    changed = [(each["new"]["status"], each["reason"]) for each in history if each["version"] > 1]
    assert changed == ([(first, f"student {removed} was merged into this one")] if first == "late" else [])
    merges = (await register.api.get(f"/students/{kept}/merges")).json()["items"]
    assert merges == [answer.json()]
    assert [(each["keep"]["status"], each["remove"]["status"]) for each in merges[0]["doubles"]] == [
        ("present", "late"),
        ("present", "absent"),
    ]
    # The history of the record that is gone is stored with the merge.
    data = (await register.api.get(f"/students/{kept}/data")).json()
    changes = [each["changes"] for each in data["merges"][0]["resolved"]]
    assert [[(each["oldStatus"], each["newStatus"]) for each in of_record] for of_record in changes] == [
        [("present", "late")],
        [],
    ]


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


async def test_the_same_merge_again_changes_nothing(register: Register) -> None:
    kept, removed = student_of(register), await second_record(register)

    first = await merge(register, kept, removed)
    before = await everything(register)
    again = await merge(register, kept, removed)

    (warning,) = again.json()["warnings"]
    assert warning["code"] == "already_merged"
    assert "not applied" not in warning["detail"]
    assert (again.status_code, again.json() | {"warnings": []}) == (HTTPStatus.OK, first.json())
    assert (await merge(register, kept, removed, dryRun=True)).json() == again.json()
    assert await everything(register) == before
    reversed_ = await merge(register, removed, kept)
    assert reversed_.status_code == HTTPStatus.NOT_FOUND
    other = await merge(register, register.api.school.student_ids[1], removed)
    assert violations(other) == {("/removedStudentId", "unknown_student")}


async def test_the_same_merge_again_with_other_choices_says_that_they_were_not_applied(register: Register) -> None:
    kept, removed = student_of(register), await second_record(register)
    await mark(register, **{f"s{removed}": "late"})
    first = (await merge(register, kept, removed, prefer="keep")).json()
    nowhere = [{"learningDate": NEXT_DAY, "prefer": "keep"}]
    choices: list[dict[str, Any]] = [{"prefer": "keep"}, {"prefer": "remove"}, {"prefer": "keep", "choices": nowhere}]

    same, *others = [(await merge(register, kept, removed, **fields)).json() for fields in choices]

    author = f"by office (user {first['userId']})"
    assert same["warnings"][0]["detail"].endswith(author)
    for other in others:
        assert other["warnings"][0]["detail"].endswith(f"{author}: the choices of this request were not applied")
        assert other | {"warnings": []} == first
    assert await statuses_of(register, kept) == {DAY: "present"}


async def test_records_with_different_names_are_merged_after_a_confirmation(register: Register) -> None:
    kept, removed = student_of(register), await second_record(register)
    await mark(register, **{f"s{removed}": "late"})
    before = await everything(register)

    shown = (await merge(register, kept, removed, dryRun=True)).json()
    both = await merge(register, kept, removed, allowDifferentNames=False)
    names = await merge(register, kept, removed, allowDifferentNames=False, prefer="keep")

    detail = f"the names differ: Given 1 Family 0001 ({kept}) and Adá Byron ({removed})"
    assert shown["warnings"] == [{"code": "different_names", "detail": detail}]
    assert (both.status_code, both.json()["code"]) == (HTTPStatus.CONFLICT, "choice_needed")
    assert violations(both) == {("/allowDifferentNames", "names_not_confirmed"), ("/choices", "both_recorded")}
    assert (names.status_code, names.json()["code"]) == (HTTPStatus.CONFLICT, "names_not_confirmed")
    assert await everything(register) == before
    assert (await merge(register, kept, removed, prefer="keep")).json()["warnings"] == []


async def test_a_preview_warns_of_records_of_different_schools(register: Register) -> None:
    async with register.adsum.database.transaction() as connection:
        other = await make_school(connection, students=1)

    shown = await register.adsum.student_merges.preview(
        student_of(register), other.student_ids[0], MergeChoices(), system_caller()
    )

    assert [each.code for each in shown.warnings()] == ["different_schools"]


async def test_a_second_merge_moves_what_the_first_one_moved(register: Register) -> None:
    first, second, third = register.api.school.student_ids
    one, two = await second_record(register, "old-1"), await second_record(register, "old-2")
    assert (await merge(register, second, one)).is_success
    assert (await merge(register, third, second, prefer="keep")).is_success
    assert (await merge(register, first, third, prefer="keep")).is_success

    assert (await merge(register, first, two)).is_success

    found = [(await register.api.get("/students", sourcedId=each)).json()["items"] for each in ("old-1", "old-2")]
    assert [[each["id"] for each in items] for items in found] == [[first], [first]]
    merges = (await register.api.get(f"/students/{first}/merges")).json()["items"]
    assert [each["removed"]["id"] for each in merges] == [two, third, second, one]


async def test_students_of_an_open_run_are_not_merged_until_it_has_ended(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    for day in ("2024-12-20", "2024-12-21"):
        marks = [{"studentId": removed, "status": "late"}]
        await register.api.create("office", learningDate=day, isSelectedAll=False, marks=marks)
    batch_id = f"class-{register.api.school.class_id}-session-{register.api.school.session_id}-date-20122024"
    before = await everything(register)

    for keep, remove in ((kept, removed), (removed, kept)):
        for dry_run in (False, True):
            refused = await merge(register, keep, remove, dryRun=dry_run)
            assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.CONFLICT, "student_is_being_marked")
            assert refused.json()["errors"][0]["params"]["batchId"] == batch_id
            assert len(refused.json()["errors"]) == 2
    assert await everything(register) == before

    async with register.worker():
        for day in ("20", "21"):
            await ended(register.adsum, batch_id.replace("20122024", f"{day}122024"))
    merged = await merge(register, kept, removed)

    assert merged.status_code == HTTPStatus.OK, merged.text
    assert await statuses_of(register, kept) == {"2024-12-20": "late", "2024-12-21": "late", DAY: "present"}


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


async def test_wrong_merges_are_refused_with_each_violation(register: Register) -> None:
    kept = student_of(register)
    removed = await second_record(register)
    async with register.adsum.database.transaction() as connection:
        elsewhere = await make_student(connection, await make_bare_school(connection, name="Elsewhere"))
    choice = {"learningDate": DAY, "prefer": "keep"}

    for remove, code in ((kept, "same_student"), (elsewhere, "unknown_student"), (10**6, "unknown_student")):
        assert violations(await merge(register, kept, remove)) == {("/removedStudentId", code)}
    for keep in (elsewhere, 10**6):
        assert (await merge(register, keep, removed)).status_code == HTTPStatus.NOT_FOUND
        assert (await register.api.get(f"/students/{keep}/merges")).status_code == HTTPStatus.NOT_FOUND
    assert violations(await merge(register, kept, removed, choices=[choice, choice])) == {
        ("/choices/0", "choice_repeated"),
        ("/choices/1", "choice_repeated"),
    }
    assert violations(await merge(register, kept, removed, choices=[choice])) == {("/choices/0", "nothing_to_choose")}
    assert violations(await merge(register, kept, removed, prefer="both")) == {("/prefer", "unknown_value")}


async def test_an_admin_merges_records_of_two_schools_and_both_see_the_student(register: Register) -> None:
    kept, office = student_of(register), caller(Role.OFFICE, register.api.school.school_id)
    async with register.adsum.database.transaction() as connection:
        other = await make_school(connection, students=1)
        removed = other.student_ids[0]
        await make_record(connection, other.school_id, batch_of(other), removed, status="late")
    merges = register.adsum.student_merges
    with pytest.raises(Invalid):
        await merges.merge(kept, removed, ALLOWED, office)

    merged = await merges.merge(kept, removed, ALLOWED, system_caller())

    assert (merged.moved.records, merged.moved.enrolments, merged.student.school_id) == (1, 1, office_school(register))
    async with register.adsum.database.snapshot() as connection:
        for school_id in (office_school(register), other.school_id):
            found = await find_student(connection, caller(Role.OFFICE, school_id), kept)
            assert found is not None
            assert (found.school_id, found.active) == (school_id, True)
    # The office of one school alone may neither erase nor merge the student from now on.
    with pytest.raises(OtherSchools):
        await merges.merge(kept, register.api.school.student_ids[1], ALLOWED, office)
    with pytest.raises(OtherSchools):
        await merges.merges(kept, office)


@pytest.mark.parametrize("role", ["teacher", "viewer", "operator"])
async def test_merges_need_the_permission(register: Register, role: str) -> None:
    kept, removed = register.api.school.student_ids[:2]

    for dry_run in (False, True):
        assert (await merge(register, kept, removed, role, dryRun=dry_run)).status_code == HTTPStatus.FORBIDDEN
    assert (await register.api.get(f"/students/{kept}/merges", role)).status_code == HTTPStatus.FORBIDDEN


async def test_disputes_about_both_records_are_settled_by_the_choice(register: Register) -> None:
    kept, removed = student_of(register), await second_record(register)
    await register.correct("office", status="excused")
    office = [{"studentId": removed, "status": "excused"}]
    await mark_as(register, "office", office)
    for student in (kept, removed):
        await mark_as(register, "teacher", [{"studentId": student, "status": "late"}])
    assert len((await register.api.get("/contradictions")).json()["items"]) == 2

    merged = await merge(register, kept, removed, prefer="keep")

    assert merged.json()["moved"]["disputedMarks"] == 1
    assert (await register.api.get("/contradictions")).json()["items"] == []


async def test_an_erasure_of_the_kept_student_erases_the_merged_records(register: Register) -> None:
    kept, removed = student_of(register), await second_record(register, "old-1", family="Secretname")
    assert (await merge(register, kept, removed)).is_success

    assert (await register.api.change("DELETE", f"/students/{removed}", "office", None)).status_code == 404
    assert (await register.api.change("DELETE", f"/students/{kept}", "office", None)).is_success

    assert "Secretname" not in await everything(register)


async def test_merges_are_logged_with_caller_and_both_students(
    register: Register, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adsum")
    kept, removed = student_of(register), await second_record(register)

    await merge(register, kept, removed)

    (logged,) = [vars(each) for each in caplog.records if each.message == "students merged"]
    assert (logged["student_ids"], logged["rows"]) == ([kept, removed], 0)
    assert logged["actor"].startswith("user-")
