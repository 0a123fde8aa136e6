"""Teachers of a class in a roster: the role and school of the enrolment decide, not the role and orgs of the user."""

from __future__ import annotations

import pytest

from adsum.operations.migrations import tables
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, Roster, a_class, a_school, a_school_of_1_2, enrolment, role_of, user


def a_district() -> Roster:
    """Two schools of a district; `class-2` is at the second."""
    roster = a_school()
    roster.add("orgs", sourcedId="district", name="All of it", type="district")
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.tables["classes"].append(a_class("class-2", school="school-2"))
    return roster


async def teachers(importing: Importing) -> set[tuple[str, str]]:
    """The source ids of each assigned teacher and class; the teacher is of the school of the class."""
    users = {row["id"]: row for row in await importing.rows(tables.users)}
    classes = {row["id"]: row for row in await importing.rows(tables.classes)}
    found = set[tuple[str, str]]()
    for row in await importing.rows(tables.class_teachers):
        person, of = users[row["user_id"]], classes[row["class_id"]]
        assert (person["school_id"], person["role"]) == (of["school_id"], "teacher")
        if row["end_date"] is None:
            found.add((person["source_id"], of["source_id"]))
    return found


@pytest.mark.parametrize(
    ("role", "orgs"),
    [
        ("teacher", "district"),
        ("teacher", ""),
        ("administrator", SCHOOL),
        ("principal", SCHOOL),
        ("aide", "district"),
        ("ext:coach", SCHOOL),
    ],
)
async def test_a_member_of_staff_who_is_enrolled_as_a_teacher_teaches(
    importing: Importing, role: str, orgs: str
) -> None:
    roster = a_district()
    roster.tables["users"].append(user("staff-1", role, "Grace", "Hopper", orgs=orgs))
    roster.tables["enrollments"] += [
        enrolment("class-1", "staff-1", role="teacher"),
        enrolment("class-2", "staff-1", role="teacher", school="school-2"),
    ]

    report = await importing.run(roster)

    assert report.violations == report.warnings == ()
    assert report.ignored == {"orgs.csv: no school": 1}
    assert await teachers(importing) == {("teacher-1", "class-1"), ("staff-1", "class-1"), ("staff-1", "class-2")}
    assert (await importing.run(roster)).changes_nothing

    roster.drop("enrollments", "class-1-staff-1")
    assert counts(await importing.run(roster, allow_removals=True))["teachings"] == (0, 0, 1, 2)
    assert await teachers(importing) == {("teacher-1", "class-1"), ("staff-1", "class-2")}


async def test_staff_without_a_class_are_counted_and_ignored(importing: Importing) -> None:
    roster = a_district()
    roster.tables["users"] += [
        user("staff-1", "teacher", "Grace", "Hopper", orgs="district"),
        user("staff-2", "administrator", "Joan", "Clarke", orgs="district"),
        user("staff-3", "teacher", "Jean", "Bartik", orgs="nowhere"),
    ]

    report = await importing.run(roster)

    assert report.violations == ()
    assert places_and_codes(report.warnings) == [("users.csv:8", "unknown_school")]
    assert report.ignored["users.csv: teacher without a class"] == 2
    assert report.ignored["users.csv: administrator"] == 1
    assert counts(report)["teachers"] == (1, 0, 0, 0)


@pytest.mark.parametrize("role", ["student", "guardian", "parent", "relative"])
async def test_a_student_or_relative_never_becomes_a_teacher(importing: Importing, role: str) -> None:
    roster = a_district()
    roster.tables["users"].append(user("person-1", role, "A", "B"))
    roster.tables["enrollments"].append(enrolment("class-1", "person-1", role="teacher"))

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("enrollments.csv:6", "wrong_user")]
    assert await teachers(importing) == {("teacher-1", "class-1")}


async def test_the_roles_of_version_1_2_do_not_decide_who_teaches(importing: Importing) -> None:
    roster = a_school_of_1_2()
    roster.add("orgs", sourcedId="district", name="All of it", type="district")
    roster.tables["roles"] += [role_of("staff-1", "principal"), role_of("staff-2", "teacher", "district")]
    for source_id in ("staff-1", "staff-2"):
        roster.add("users", sourcedId=source_id, givenName="Grace", familyName="Hopper", primaryOrgSourcedId="district")
        roster.tables["enrollments"].append(enrolment("class-1", source_id, role="teacher"))

    report = await importing.run(roster)

    assert report.violations == ()
    assert await teachers(importing) == {(each, "class-1") for each in ("teacher-1", "staff-1", "staff-2")}


async def test_a_student_of_the_district_is_of_the_school_of_the_enrolment(importing: Importing) -> None:
    roster = a_district()
    roster.row("users", "student-1")["orgSourcedIds"] = "district"
    roster.row("users", "student-2")["orgSourcedIds"] = "nowhere"

    report = await importing.run(roster)

    assert report.violations == ()
    assert places_and_codes(report.warnings) == [("users.csv:3", "unknown_school")]
    assert counts(report)["students"] == (3, 0, 0, 0)
    assert counts(report)["enrolments"] == (3, 0, 0, 0)


async def test_an_unknown_second_org_is_a_warning(importing: Importing) -> None:
    roster = a_school()
    roster.row("users", "student-1")["orgSourcedIds"] = f"{SCHOOL},nowhere"
    roster.row("users", "teacher-1")["orgSourcedIds"] = f"nowhere,{SCHOOL}"

    report = await importing.run(roster, strict=True)

    assert report.violations == ()
    assert report.warning_count == 2
    assert places_and_codes(report.warnings) == [("users.csv:2", "unknown_school"), ("users.csv:5", "unknown_school")]
    assert counts(report)["students"] == (3, 0, 0, 0)
    assert counts(report)["teachings"] == (1, 0, 0, 0)
