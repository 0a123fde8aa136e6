"""Imports after two records of a student were merged: no file makes a second person of them again."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, update

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.privacy.merging.rules import MergeChoices
from adsum.privacy.merging.service import StudentMerges
from tests.roster.conftest import Importing, counts
from tests.roster.files import Roster, a_class, a_school, enrolment, user
from tests.roster.importing.merged import KEPT, NOW, REMOVED, people, roster

__all__ = ["roster"]


async def test_the_same_file_again_adds_nobody_and_changes_nothing(importing: Importing, roster: Roster) -> None:
    before = await importing.everything()

    report = await importing.run(roster)

    assert await importing.everything() == before
    assert counts(report)["students"] == (0, 0, 0, 30)
    assert counts(report)["enrolments"] == (0, 0, 0, 30)
    of_both = [row for row in await importing.rows(tables.enrolments) if row["source_id"][-1] in "12"]
    kept = {row["student_id"] for row in of_both if row["source_id"] in {f"class-1-{KEPT}", f"class-1-{REMOVED}"}}
    assert len(kept) == 1


async def test_a_file_without_the_removed_id_ends_nobody(importing: Importing, roster: Roster) -> None:
    roster.drop("users", REMOVED)
    roster.drop("enrollments", f"class-1-{REMOVED}")

    shown = await importing.run(roster, dry_run=True)
    report = await importing.run(roster)

    assert {change: found.count for change, found in shown.students.items() if found.count} == {}
    assert counts(report)["students"][2] == 0
    assert (await people(importing))[KEPT] == (f"Given {KEPT}", True)


async def test_a_file_with_the_removed_id_alone_keeps_the_student_under_its_names(
    importing: Importing, roster: Roster
) -> None:
    roster.drop("users", KEPT)
    roster.drop("enrollments", f"class-1-{KEPT}")
    roster.row("users", REMOVED)["givenName"] = "Adele"

    report = await importing.run(roster)

    assert (counts(report)["students"][0], counts(report)["students"][2]) == (0, 0)
    assert (await people(importing))[KEPT] == ("Adele", True)
    spans = await importing.spans()
    assert (spans[f"class-1-{KEPT}"][1], spans[f"class-1-{REMOVED}"][1]) == (importing.today, None)


async def test_a_file_without_both_ends_the_student_and_a_later_one_brings_them_back(
    importing: Importing, roster: Roster
) -> None:
    row, enrolment = roster.row("users", REMOVED), roster.row("enrollments", f"class-1-{REMOVED}")
    for source_id in (KEPT, REMOVED):
        roster.drop("users", source_id)
        roster.drop("enrollments", f"class-1-{source_id}")

    report = await importing.run(roster)

    assert counts(report)["students"][2] == 1
    assert not (await people(importing))[KEPT][1]
    roster.tables["users"].append(row)
    roster.tables["enrollments"].append(enrolment)
    await importing.run(roster)
    assert (await people(importing))[KEPT] == (f"Given {REMOVED}", True)


async def test_a_delta_that_deletes_the_removed_id_keeps_the_student(importing: Importing, roster: Roster) -> None:
    gone = roster.row("users", REMOVED) | {"status": "tobedeleted"}
    modes = {"users": "delta"}

    await importing.run(Roster({**roster.tables, "users": [gone], "enrollments": [], "classes": [], "orgs": []}, modes))

    assert (await people(importing))[KEPT] == (f"Given {KEPT}", True)


@pytest.fixture
async def two_schools() -> Roster:
    """Two schools in one file; all students are at the first one."""
    roster = a_school(students=30)
    roster.add("orgs", sourcedId="school-2", status="active", name="Ahorn", type="school")
    roster.tables["classes"].append(a_class("class-9", school="school-2"))
    return roster


async def import_and_merge(importing: Importing, roster: Roster) -> None:
    assert (await importing.run(roster)).violations == ()
    ids = {row["source_id"]: row["id"] for row in await importing.rows(tables.students)}
    merges = StudentMerges(importing.database, lambda: NOW)
    await merges.merge(ids[KEPT], ids[REMOVED], MergeChoices(allow_different_names=True), system_caller())


def move(roster: Roster, source_id: str) -> None:
    """Lists a student of the first school at the second one, in its class, from now on."""
    roster.row("users", source_id)["orgSourcedIds"] = "school-2"
    roster.row("enrollments", f"class-1-{source_id}")["endDate"] = "2024-10-14"
    roster.tables["enrollments"].append(enrolment("class-9", source_id, begin="2024-10-15", school="school-2"))


def drop(roster: Roster, source_id: str) -> None:
    roster.drop("users", source_id)
    roster.tables["enrollments"] = [row for row in roster.tables["enrollments"] if row["userSourcedId"] != source_id]


async def run_twice(importing: Importing, roster: Roster) -> tuple[int, int, int, int]:
    """The counts of the students of an import. The same file again changes nothing."""
    shown = await importing.run(roster, dry_run=True)
    report = await importing.run(roster)
    assert (report.violations, counts(shown)) == ((), counts(report))
    before = await importing.everything()
    again = await importing.run(roster)
    assert (again.violations, again.changes_nothing) == ((), True)
    assert await importing.everything() == before
    return counts(report)["students"]


async def test_a_removed_record_of_two_schools_names_the_student_at_both(
    importing: Importing, two_schools: Roster
) -> None:
    two_schools.row("users", REMOVED)["orgSourcedIds"] = "school-1,school-2"
    two_schools.tables["enrollments"].append(enrolment("class-9", REMOVED, school="school-2"))
    await import_and_merge(importing, two_schools)
    before = await importing.everything()

    assert await run_twice(importing, two_schools) == (0, 0, 0, 31)

    assert await importing.everything() == before
    assert await importing.schools(KEPT) == [("school-1", True), ("school-2", True)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_the_student_transfers_under_the_removed_id(
    importing: Importing, two_schools: Roster, *, at_once: bool
) -> None:
    await import_and_merge(importing, two_schools)
    drop(two_schools, KEPT)
    if not at_once:
        await run_twice(importing, two_schools)
    move(two_schools, REMOVED)

    assert (await run_twice(importing, two_schools))[0] == 0

    assert await importing.schools(KEPT) == [("school-2", True), ("school-1", False)]
    (new,) = [row for row in await importing.rows(tables.enrolments) if row["source_id"] == f"class-9-{REMOVED}"]
    (student,) = [row for row in await importing.rows(tables.students) if row["source_id"] == KEPT]
    assert (new["student_id"], new["end_date"]) == (student["id"], None)
    assert (await people(importing))[KEPT] == (f"Given {REMOVED}", True)

    drop(two_schools, REMOVED)
    assert (await run_twice(importing, two_schools))[2] == 1
    assert await importing.schools(KEPT) == [("school-2", False), ("school-1", False)]


async def test_a_warning_about_a_transfer_under_the_removed_id_names_no_row(
    importing: Importing, two_schools: Roster
) -> None:
    await import_and_merge(importing, two_schools)
    (student,) = [row for row in await importing.rows(tables.students) if row["source_id"] == KEPT]
    planned = {
        "student_id": student["id"],
        "school_id": student["school_id"],
        "status": "excused",
        "first_day": importing.today,
        "last_day": importing.today,
        "reason": "ill",
    }
    async with importing.database.transaction() as connection:
        await connection.execute(insert(tables.absences).values(planned))
    drop(two_schools, KEPT)
    move(two_schools, REMOVED)

    (warning,) = (await importing.run(two_schools)).warnings

    assert (warning.code, warning.pointer) == ("absence_at_former_school", "users.csv")
    assert warning.params["studentId"] == student["id"]


@pytest.mark.parametrize(
    ("moving", "schools"),
    [
        ([REMOVED], [("school-1", True), ("school-2", True)]),
        ([KEPT], [("school-1", True), ("school-2", True)]),
        ([KEPT, REMOVED], [("school-2", True), ("school-1", False)]),
    ],
)
async def test_both_ids_are_listed_and_move(
    importing: Importing, two_schools: Roster, moving: list[str], schools: list[tuple[str, bool]]
) -> None:
    await import_and_merge(importing, two_schools)
    for source_id in moving:
        move(two_schools, source_id)

    assert (await run_twice(importing, two_schools))[0] == (len(moving) == 1)

    assert await importing.schools(KEPT) == schools
    spans = await importing.spans()
    for source_id in moving:
        assert spans[f"class-9-{source_id}"][1] is None
    # The one that stayed moves, too, and both move back.
    for source_id in {KEPT, REMOVED} - set(moving):
        move(two_schools, source_id)
    await run_twice(importing, two_schools)
    assert await importing.schools(KEPT) == [("school-2", True), ("school-1", False)]
    for source_id in (KEPT, REMOVED):
        two_schools.row("users", source_id)["orgSourcedIds"] = "school-1"
        two_schools.row("enrollments", f"class-9-{source_id}")["endDate"] = "2024-10-15"
        two_schools.row("enrollments", f"class-1-{source_id}")["endDate"] = ""
    await run_twice(importing, two_schools)
    assert await importing.schools(KEPT) == [("school-1", True), ("school-2", False)]
    assert {row["student_id"] for row in await importing.rows(tables.student_schools)} == {
        row["id"] for row in await importing.rows(tables.students) if row["source_id"] == KEPT
    }


async def test_a_delta_lists_the_removed_id_at_another_school_after_both_were_deleted(
    importing: Importing, two_schools: Roster
) -> None:
    await import_and_merge(importing, two_schools)
    modes = {"orgs": "delta", "users": "delta", "enrollments": "delta"}
    for source_id in (REMOVED, KEPT):
        gone = two_schools.row("users", source_id) | {"status": "tobedeleted"}
        await importing.run(
            Roster({"orgs": two_schools.tables["orgs"], "users": [gone]}, {"orgs": "delta", "users": "delta"})
        )
    assert not (await people(importing))[KEPT][1]

    back = two_schools.row("users", REMOVED) | {"orgSourcedIds": "school-2"}
    new = enrolment("class-9", REMOVED, begin="2024-10-15", school="school-2")
    await run_twice(
        importing, Roster({"orgs": two_schools.tables["orgs"], "users": [back], "enrollments": [new]}, modes)
    )

    assert await importing.schools(KEPT) == [("school-2", True), ("school-1", False)]
    assert (await importing.spans())[f"class-9-{REMOVED}"][1] is None


@pytest.mark.parametrize("is_delta", [False, True])
async def test_both_ids_at_a_third_school_name_the_student(importing: Importing, *, is_delta: bool) -> None:
    roster = a_school(students=30)
    for number in ("2", "3"):
        roster.add("orgs", sourcedId=f"school-{number}", status="active", name=f"Ahorn {number}", type="school")
        roster.tables["classes"].append(a_class(f"class-{number}", school=f"school-{number}"))
    roster.row("users", KEPT)["orgSourcedIds"] = "school-1,school-3"
    roster.tables["users"].append(user("other-1", "student", "Given", "Family", "school-2,school-3"))
    for class_id, source_id in (("class-2", "other-1"), ("class-3", "other-1"), ("class-3", KEPT)):
        roster.tables["enrollments"].append(enrolment(class_id, source_id, school=class_id.replace("class", "school")))
    assert (await importing.run(roster)).violations == ()
    ids = {row["source_id"]: row["id"] for row in await importing.rows(tables.students)}
    merges = StudentMerges(importing.database, lambda: NOW)
    await merges.merge(ids[KEPT], ids["other-1"], MergeChoices(allow_different_names=True), system_caller())
    before = await importing.everything()

    again = Roster(roster.tables, {"users": "delta", "enrollments": "delta"}) if is_delta else roster
    assert (await importing.run(again)).changes_nothing

    assert await importing.everything() == before
    # The third school lists the other id alone: the student stays there, and nobody is added.
    gone = roster.row("users", KEPT)
    gone["orgSourcedIds"] = "school-1"
    roster.tables["enrollments"] = [
        row for row in roster.tables["enrollments"] if row["sourcedId"] != f"class-3-{KEPT}"
    ]
    report = await importing.run(roster)
    assert (report.violations, counts(report)["students"][0]) == ((), 0)
    at_schools = dict(await importing.schools(KEPT))
    assert at_schools == {"school-1": True, "school-2": True, "school-3": True}


@pytest.mark.parametrize(("is_at_first", "is_at_second"), [(True, False), (True, True)])
async def test_an_import_repairs_memberships_that_earlier_versions_stored_under_the_removed_id(
    importing: Importing, two_schools: Roster, *, is_at_first: bool, is_at_second: bool
) -> None:
    await import_and_merge(importing, two_schools)
    move(two_schools, REMOVED)
    await run_twice(importing, two_schools)
    (kept,) = [row for row in await importing.rows(tables.students) if row["source_id"] == KEPT]
    schools = {row["source_id"]: row["id"] for row in await importing.rows(tables.schools)}
    s, o, e = tables.students.c, tables.student_schools.c, tables.enrolments.c
    async with importing.database.transaction() as connection:
        at_second = (s.merged_into == kept["id"], s.school_id == schools["school-2"])
        await connection.execute(delete(tables.students).where(*at_second))
        damaged = update(tables.student_schools).where(o.student_id == kept["id"])
        await connection.execute(damaged.values(source_id=REMOVED, active=is_at_second))
        await connection.execute(update(tables.students).where(s.id == kept["id"]).values(active=is_at_first))
        ended = update(tables.enrolments).where(e.source_id == f"class-9-{REMOVED}")
        await connection.execute(ended.values(end_date=NOW.date()))

    assert (await run_twice(importing, two_schools))[0] == 0

    assert await importing.schools(KEPT) == [("school-1", True), ("school-2", True)]
    assert (await importing.spans())[f"class-9-{REMOVED}"][1] is None
    drop(two_schools, REMOVED)
    assert (await run_twice(importing, two_schools))[2] == 1
    assert await importing.schools(KEPT) == [("school-1", True), ("school-2", False)]
