"""Merges of two records of one student: what moves, what is refused, and who may."""

from __future__ import annotations

import logging
from collections.abc import Collection
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import select

from adsum.accounts.access import Role, system_caller
from adsum.platform.database.columns import metadata
from adsum.platform.errors import Invalid
from adsum.privacy.merging.rules import MergeChoices, Moved
from adsum.privacy.rules import OtherSchools
from adsum.reports.service import Summaries
from adsum.roster.repository.students import find_student
from tests.attendance.corrections.conftest import Register
from tests.privacy.merging.merges import NEXT_DAY, mark, merge, second_record, statuses_of
from tests.privacy.test_student_data import everything, student_of, tables_after, with_traces_everywhere
from tests.support.api import DAY, violations
from tests.support.installation import ended
from tests.support.runs import batch_of
from tests.support.schools import caller, make_bare_school, make_record, make_school, make_student
from tests.support.statements import statements_sent

ALLOWED = MergeChoices(allow_different_names=True)


def office_school(register: Register) -> int:
    return register.api.school.school_id


async def mark_as(register: Register, role: str, marks: list[dict[str, Any]]) -> None:
    answer = await register.api.create(role, isSelectedAll=False, marks=marks)
    assert answer.is_success, answer.text
    async with register.worker():
        await ended(register.adsum, answer.json()["batchId"])


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
    await assert_no_row_of(register, removed, of_students)


async def assert_no_row_of(register: Register, student_id: int, names: Collection[str]) -> None:
    async with register.adsum.database.snapshot() as connection:
        for table in metadata.sorted_tables:
            if table.name in names and "student_id" in table.c:
                left = (await connection.execute(select(table).where(table.c.student_id == student_id))).all()
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


async def test_merges_are_logged_with_caller_and_both_students(
    register: Register, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adsum")
    kept, removed = student_of(register), await second_record(register)

    await merge(register, kept, removed)

    (logged,) = [vars(each) for each in caplog.records if each.message == "students merged"]
    assert (logged["student_ids"], logged["rows"]) == ([kept, removed], 0)
    assert logged["actor"].startswith("user-")
