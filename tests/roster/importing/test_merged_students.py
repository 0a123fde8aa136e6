"""Imports after two records of a student were merged: no file makes a second person of them again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adsum.accounts.access import system_caller
from adsum.migrations import tables
from adsum.privacy.merging.rules import Choices
from adsum.privacy.merging.service import StudentMerges
from tests.roster.conftest import Importing, counts
from tests.roster.files import Roster, a_class, a_school, enrolment, user

KEPT, REMOVED = "student-1", "student-2"


@pytest.fixture
async def roster(importing: Importing) -> Roster:
    """A school of thirty students, of whom the second one is merged into the first one."""
    roster = a_school(students=30)
    await importing.run(roster)
    ids = {row["source_id"]: row["id"] for row in await importing.rows(tables.students)}
    merges = StudentMerges(importing.database, lambda: datetime(2024, 10, 15, tzinfo=UTC))
    await merges.merge(ids[KEPT], ids[REMOVED], Choices(), system_caller())
    return roster


async def people(importing: Importing) -> dict[str, tuple[str, bool]]:
    """Name, and whether the newest file has them, of each student, by source id."""
    rows = await importing.rows(tables.students)
    return {row["source_id"]: (row["given_name"], row["active"]) for row in rows if row["merged_into"] is None}


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


async def test_a_record_of_another_school_stays_the_same_person_at_both_schools(importing: Importing) -> None:
    roster = a_school(students=30)
    roster.add("orgs", sourcedId="school-2", status="active", name="Ahorn", type="school")
    roster.tables["users"].append(user("other-1", "student", "Given other", "Family", "school-2"))
    roster.tables["classes"].append(a_class("class-9", school="school-2"))
    roster.tables["enrollments"].append(enrolment("class-9", "other-1", school="school-2"))
    await importing.run(roster)
    ids = {row["source_id"]: row["id"] for row in await importing.rows(tables.students)}
    merges = StudentMerges(importing.database, lambda: datetime(2024, 10, 15, tzinfo=UTC))
    await merges.merge(ids[KEPT], ids["other-1"], Choices(), system_caller())
    before = await importing.everything()

    report = await importing.run(roster)

    assert await importing.everything() == before
    assert counts(report)["students"][:3] == (0, 0, 0)
    (elsewhere,) = await importing.rows(tables.student_schools)
    assert (elsewhere["student_id"], elsewhere["active"]) == (ids[KEPT], True)
    roster.drop("users", "other-1")
    roster.drop("enrollments", "class-9-other-1")
    await importing.run(roster)
    (elsewhere,) = await importing.rows(tables.student_schools)
    assert (elsewhere["student_id"], elsewhere["active"]) == (ids[KEPT], False)
    assert (await people(importing))[KEPT] == (f"Given {KEPT}", True)
