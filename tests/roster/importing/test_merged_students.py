"""Imports after two records of a student were merged: no file makes a second person of them again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, update

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.privacy.merging.rules import MergeChoices
from adsum.privacy.merging.service import StudentMerges
from adsum.roster.by_source.rules import SourcedStudent
from adsum.roster.by_source.service import SourcedRoster
from adsum.roster.naming.repository import visible_students
from adsum.roster.repository.students import list_students
from adsum.roster.rules import StudentFilters
from tests.roster.conftest import Importing, counts
from tests.roster.files import Roster, a_class, a_school, enrolment, user

NOW = datetime(2024, 10, 15, tzinfo=UTC)
KEPT, REMOVED = "student-1", "student-2"


@pytest.fixture
async def roster(importing: Importing) -> Roster:
    """A school of thirty students, of whom the second one is merged into the first one."""
    roster = a_school(students=30)
    await importing.run(roster)
    ids = {row["source_id"]: row["id"] for row in await importing.rows(tables.students)}
    merges = StudentMerges(importing.database, lambda: NOW)
    await merges.merge(ids[KEPT], ids[REMOVED], MergeChoices(allow_different_names=True), system_caller())
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
    merges = StudentMerges(importing.database, lambda: NOW)
    await merges.merge(ids[KEPT], ids["other-1"], MergeChoices(allow_different_names=True), system_caller())
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


@dataclass(frozen=True, slots=True)
class SmallIds:
    """Two schools with separate files and small ids: 55 of the first and 117 of the second are one student."""

    importing: Importing
    second: Roster
    second_id: int
    kept_id: int

    async def names(self) -> dict[str | None, int]:
        """The students whom files of the second school can name, by source id."""
        async with self.importing.database.snapshot() as connection:
            return {
                row.source_id: row.id for row in await visible_students(connection, system_caller(), self.second_id)
            }

    async def listed(self, source_id: str) -> list[int]:
        filters = StudentFilters(school_id=self.second_id, source_id=source_id)
        async with self.importing.database.snapshot() as connection:
            rows = await list_students(connection, system_caller(), filters, self.importing.today, 0, 10)
        return [row.id for row in rows]

    async def is_kept_at_second(self) -> bool:
        rows = await self.importing.rows(tables.student_schools)
        (active,) = [row["active"] for row in rows if row["student_id"] == self.kept_id]
        return active


@pytest.fixture
async def small(importing: Importing) -> SmallIds:
    rosters: list[Roster] = []
    for school, source_id in (("school-1", "55"), ("school-2", "117")):
        roster = a_school(students=30)
        roster.tables["orgs"] = [{**roster.tables["orgs"][0], "sourcedId": school, "name": school}]
        of_school = a_class(f"class-of-{school}", school=school)
        roster.tables["classes"] = [of_school]
        pupils = [source_id, *(f"{school}-{number}" for number in range(30))]
        roster.tables["users"] = [user(each, "student", f"Given {each}", "Family", school) for each in pupils]
        roster.tables["enrollments"] = [enrolment(of_school["sourcedId"], each, school=school) for each in pupils]
        assert (await importing.run(roster)).violations == ()
        rosters.append(roster)
    ids = {row["source_id"]: row["id"] for row in await importing.rows(tables.students)}
    merges = StudentMerges(importing.database, lambda: NOW)
    await merges.merge(ids["55"], ids["117"], MergeChoices(allow_different_names=True), system_caller())
    schools = {row["source_id"]: row["id"] for row in await importing.rows(tables.schools)}
    return SmallIds(importing, rosters[1], schools["school-2"], ids["55"])


async def test_after_a_merge_across_schools_each_school_names_the_student_by_its_own_source_id(
    small: SmallIds,
) -> None:
    names = await small.names()

    assert (names["117"], names.get("55")) == (small.kept_id, None)
    assert (await small.listed("117"), await small.listed("55")) == ([small.kept_id], [])
    before = await small.importing.everything()
    assert (await small.importing.run(small.second)).changes_nothing
    assert await small.importing.everything() == before


async def test_a_platform_adds_a_child_with_a_source_id_that_the_student_has_at_another_school(
    small: SmallIds,
) -> None:
    child = SourcedStudent(given_name="Grace", family_name="Hopper")
    put = await SourcedRoster(small.importing.database, lambda: NOW).put_student(
        small.second_id, "55", child, system_caller()
    )

    assert put.is_new
    names = await small.names()
    assert (names["55"], names["117"]) == (put.id, small.kept_id)


async def test_a_file_adds_a_child_with_a_source_id_that_the_student_has_at_another_school(small: SmallIds) -> None:
    second = small.second
    second.drop("users", "117")
    second.drop("enrollments", "class-of-school-2-117")
    second.tables["users"].append(user("55", "student", "Grace", "Hopper", "school-2"))
    second.tables["enrollments"].append(enrolment("class-of-school-2", "55", school="school-2"))

    report = await small.importing.run(second)

    assert (report.violations, counts(report)["students"]) == ((), (1, 0, 1, 30))
    child = (await small.names())["55"]
    assert child != small.kept_id
    enrolled = {row["source_id"]: row["student_id"] for row in await small.importing.rows(tables.enrolments)}
    assert (enrolled["class-of-school-2-55"], enrolled["class-of-school-1-55"]) == (child, small.kept_id)
    assert not await small.is_kept_at_second()
    before = await small.importing.everything()
    assert (await small.importing.run(second)).changes_nothing
    assert await small.importing.everything() == before


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
