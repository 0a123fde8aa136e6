"""OneRoster 1.2, whose roles are in a file of their own."""

from __future__ import annotations

import pytest

from adsum.operations.migrations import tables
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, Roster, Tables, a_school, a_school_of_1_2, role_of

MODES = {"orgs": "bulk", "users": "bulk", "roles": "bulk", "classes": "bulk", "enrollments": "bulk"}


@pytest.fixture
def roster() -> Roster:
    return a_school_of_1_2(students=12)


def changes(roster: Roster, *users: str) -> Roster:
    """Delta files with the rows of these users and no others; roles are added by the test."""
    rows = [roster.row("users", source_id) for source_id in users]
    found: Tables = {"users": rows, "roles": []} if rows else {"roles": []}
    return Roster(found, modes=dict.fromkeys(found, "delta"), version="1.2")


@pytest.mark.parametrize("modes", [{}, MODES])
async def test_files_of_version_1_2_import_the_same_roster_as_1_1(
    importing: Importing, roster: Roster, modes: dict[str, str]
) -> None:
    await importing.run(a_school(students=12))
    roster.modes = modes

    report = await importing.run(roster)

    assert report.violations == ()
    assert report.changes_nothing


async def test_a_role_is_at_its_org_and_the_primary_one_also_at_the_primary_org(
    importing: Importing, roster: Roster
) -> None:
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.add("orgs", sourcedId="district", name="All", type="district")
    roster.row("roles", f"role-student-1-student-{SCHOOL}")["orgSourcedId"] = "district"
    roster.tables["roles"] += [
        role_of("student-2", "student", "school-2", "secondary"),
        role_of("teacher-1", "parent", "school-2", "secondary"),
    ]

    report = await importing.run(roster)

    assert report.violations == ()
    assert await importing.schools("student-1") == [(SCHOOL, True)]
    assert await importing.schools("student-2") == [(SCHOOL, True), ("school-2", True)]
    assert len(await importing.rows(tables.students)) == 12
    assert len(await importing.rows(tables.users)) == 1


async def test_a_user_without_a_role_is_left_out(importing: Importing, roster: Roster) -> None:
    roster.tables["roles"].pop(0)

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [
        ("enrollments.csv:2", "depends_on_left_out"),
        ("users.csv:2", "missing_role"),
    ]


async def test_a_user_whose_role_is_wrong_stays_as_they_were(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    roster.tables["roles"][0]["role"] = "pupil"

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [
        ("enrollments.csv:2", "depends_on_left_out"),
        ("roles.csv:2", "unknown_role"),
        ("users.csv:2", "depends_on_left_out"),
    ]
    assert report.changes_nothing


async def test_a_role_of_an_unknown_user_is_reported(importing: Importing, roster: Roster) -> None:
    roster.tables["roles"] += [role_of("nobody", "student"), {**role_of("gone", "student"), "status": "tobedeleted"}]

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("roles.csv:15", "unknown_user")]


async def test_an_invalid_role_of_an_unknown_user_is_reported_once(importing: Importing, roster: Roster) -> None:
    roster.tables["roles"] += [role_of("nobody", "pupil"), role_of("nobody", "student")]

    report = await importing.run(roster)

    assert places_and_codes(report.violations) == [("roles.csv:15", "unknown_role")]


async def test_a_user_without_remaining_roles_leaves(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    roster.tables["roles"][0]["status"] = "tobedeleted"

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["students"] == (0, 0, 1, 11)
    assert counts(report)["enrolments"] == (0, 0, 1, 11)


@pytest.mark.parametrize(("end", "left"), [("2024-10-15", 1), ("2024-10-16", 0)])
async def test_a_role_ends_on_its_end_date(importing: Importing, roster: Roster, end: str, left: int) -> None:
    await importing.run(roster)
    roster.tables["roles"][0]["endDate"] = end
    for role in roster.tables["roles"][1:]:
        role["endDate"] = ""

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["students"] == (0, 0, left, 12 - left)


@pytest.mark.parametrize(("time_zone", "left"), [("UTC", 0), ("Pacific/Kiritimati", 1)])
async def test_a_role_at_the_district_ends_on_the_day_of_its_schools(
    importing: Importing, roster: Roster, time_zone: str, left: int
) -> None:
    """It is noon of 2024-10-15 in UTC, and the next day on Kiritimati."""
    roster.add("orgs", sourcedId="district", name="District", type="district", status="active")
    roster.tables["roles"][0]["orgSourcedId"] = "district"
    await importing.run(roster, time_zone=time_zone)
    roster.tables["roles"][0]["endDate"] = "2024-10-16"
    for role in roster.tables["roles"][1:]:
        role["endDate"] = ""

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)["students"] == (0, 0, left, 12 - left)


async def test_a_truncated_file_of_roles_ends_no_student(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    files = roster.files()
    files["roles.csv"] = files["roles.csv"][:-40]

    report = await importing.run(files)

    assert ("roles.csv", "partly_read") in places_and_codes(report.violations)
    assert report.changes_nothing


async def test_a_change_of_a_name_alone_leaves_the_role_as_it_is(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    roster.row("users", "student-1")["familyName"] = "Married"
    roster.row("users", "teacher-1")["familyName"] = "King"
    roster.add("users", sourcedId="stranger", status="active", givenName="A", primaryOrgSourcedId=SCHOOL)
    delta = changes(roster, "student-1", "teacher-1", "stranger")
    delta.tables["roles"] = [role_of("student-2", "student")]

    report = await importing.run(delta)

    assert report.violations == ()
    assert report.ignored == {"users.csv: no role": 1}
    assert counts(report)["students"] == (0, 1, 0, 0)
    assert counts(report)["teachers"] == (0, 1, 0, 0)


async def test_a_removed_role_ends_the_student_at_that_school_alone(importing: Importing, roster: Roster) -> None:
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.tables["roles"].append(role_of("student-1", "student", "school-2", "secondary"))
    await importing.run(roster)
    delta = changes(roster)
    delta.tables["roles"] = [{**roster.tables["roles"][-1], "status": "tobedeleted"}]

    report = await importing.run(delta, allow_removals=True)

    assert report.violations == ()
    assert counts(report)["students"] == (0, 0, 1, 0)
    assert await importing.schools("student-1") == [(SCHOOL, True), ("school-2", False)]


async def test_a_user_who_changes_school_in_1_2_loses_one_role_and_gets_another(
    importing: Importing, roster: Roster
) -> None:
    await importing.run(roster)
    delta = changes(roster, "student-1", "student-2")
    delta.tables["orgs"] = [{"sourcedId": "school-2", "status": "active", "name": "Rosenhof", "type": "school"}]
    delta.modes["orgs"] = "delta"
    delta.row("users", "student-1")["primaryOrgSourcedId"] = "school-2"
    delta.tables["roles"] = [
        {**role_of("student-1", "student"), "status": "tobedeleted"},
        role_of("student-1", "student", "school-2"),
        {**role_of("student-2", "student"), "status": "tobedeleted"},
        {**role_of("student-2", "parent", "school-2"), "status": "tobedeleted"},
    ]

    report = await importing.run(delta, allow_removals=True)

    assert report.violations == ()
    assert counts(report)["students"] == (0, 1, 1, 0)
    assert await importing.schools("student-1") == [("school-2", True), (SCHOOL, False)]


async def test_a_new_role_of_a_user_who_is_not_in_the_files_is_reported(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    delta = changes(roster)
    delta.tables["roles"] = [
        role_of("student-1", "student"),
        role_of("student-99", "student"),
        role_of("student-2", "pupil"),
    ]

    report = await importing.run(delta)

    assert places_and_codes(report.violations) == [("roles.csv:3", "unknown_user"), ("roles.csv:4", "unknown_role")]
