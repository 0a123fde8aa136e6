"""Imports after records of two schools were merged: each school names the student by its own id."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

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
from tests.roster.importing.merged import KEPT, NOW, people, roster

__all__ = ["roster"]


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
