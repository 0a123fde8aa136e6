"""Delta files with deleted rows that have little more than their sourcedId."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import override

from adsum.accounts.access import Role
from adsum.operations.migrations import tables
from adsum.platform.database.tombstones import Erased, Tombstones
from adsum.roster.importing.roster_mapping.people import PeopleMapping
from adsum.roster.importing.roster_mapping.roles import StoredPeople
from adsum.roster.importing.roster_mapping.schools import Orgs
from adsum.roster.importing.rules import Findings
from adsum.roster.oneroster.records import PersonRecord, PersonRole
from tests.roster.conftest import TODAY, Importing, places_and_codes
from tests.roster.files import SCHOOL, Roster, a_class, a_school, a_school_of_1_2, enrolment, role_of, user
from tests.support.schools import caller

ADA = "teacher-1"


def deleted(row: dict[str, str], *kept: str) -> dict[str, str]:
    """The deleted row, with its sourcedId and these cells."""
    return {name: value if name in {"sourcedId", *kept} else "" for name, value in row.items()} | {
        "status": "tobedeleted"
    }


def delta(version: str = "1.1", /, **rows: list[dict[str, str]]) -> Roster:
    return Roster(rows, modes=dict.fromkeys(rows, "delta"), version=version)


def two_schools() -> Roster:
    roster = a_school()
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school", status="active")
    roster.tables["users"] += [
        user("bob", "teacher", "Bob", "B", "school-2"),
        user("kid", "student", "K", "D", "school-2"),
    ]
    roster.tables["classes"].append(a_class("class-2", school="school-2"))
    roster.tables["enrollments"].append(enrolment("class-2", "kid", school="school-2"))
    return roster


async def left(importing: Importing) -> set[str]:
    return {row["source_id"] for row in await importing.rows(tables.users) if row["left_roster"]}


async def test_in_the_only_school_the_id_alone_deletes(importing: Importing) -> None:
    roster = a_school(classes=2)
    await importing.run(roster)
    report = await importing.run(
        delta(
            users=[deleted(roster.row("users", ADA)), deleted(roster.row("users", "student-1"))],
            classes=[deleted(roster.row("classes", "class-2"))],
            enrollments=[deleted(roster.row("enrollments", "class-1-student-2"))],
        ),
        allow_removals=True,
    )
    assert report.violations == ()
    assert await left(importing) == {ADA}
    assert await importing.active(tables.students) == {"student-1": False, "student-2": True, "student-3": True}
    assert await importing.active(tables.classes) == {"class-1": True, "class-2": False}
    assert (await importing.spans())["class-1-student-2"][1] == importing.today


@pytest.mark.parametrize("cells", [(), ("role",), ("orgSourcedId",)])
async def test_a_deleted_role_of_version_1_2_needs_the_user_alone(importing: Importing, cells: tuple[str, ...]) -> None:
    roster = a_school_of_1_2()
    await importing.run(roster)
    row = deleted(roster.row("roles", f"role-{ADA}-teacher-{SCHOOL}"), "userSourcedId", *cells)
    assert (await importing.run(delta("1.2", roles=[row]))).violations == ()
    assert await left(importing) == {ADA}
    assert (await importing.run(delta("1.2", roles=[row]))).changes_nothing


async def test_a_deleted_user_of_version_1_2_has_no_org(importing: Importing) -> None:
    roster = a_school_of_1_2()
    await importing.run(roster)
    other = role_of("new", "student")
    rows = {"users": [deleted(roster.row("users", ADA))], "roles": [{**other, "status": "tobedeleted"}]}
    del rows["roles"][0]["orgSourcedId"]
    rows["roles"][0]["orgSourcedId"] = ""
    assert (await importing.run(delta("1.2", **rows))).violations == ()
    assert await left(importing) == {ADA}


async def test_of_several_schools_the_files_have_to_name_one(importing: Importing) -> None:
    """The same id may be somebody else at another school."""
    roster = two_schools()
    await importing.run(roster)
    rows = {
        "users": [deleted(roster.row("users", ADA)), deleted(roster.row("users", "kid"))],
        "classes": [deleted(roster.row("classes", "class-2"))],
        "enrollments": [deleted(roster.row("enrollments", "class-2-kid"))],
    }
    before = await importing.everything()
    report = await importing.run(delta(**rows))
    assert set(places_and_codes(report.violations)) == {
        ("users.csv:2", "school_not_named"),
        ("users.csv:3", "school_not_named"),
        ("classes.csv:2", "school_not_named"),
        ("enrollments.csv:2", "school_not_named"),
    }
    assert await importing.everything() == before
    # Another row names one of both.
    known = {**roster.row("users", "student-1"), "familyName": "Married"}
    assert places_and_codes((await importing.run(delta(users=[*rows["users"], known]))).violations) == [
        ("users.csv:3", "school_not_named")
    ]
    assert await left(importing) == {ADA}
    schools = roster.tables["orgs"]
    report = await importing.run(delta(orgs=schools, **rows), allow_removals=True)
    assert report.violations == ()
    assert await importing.active(tables.classes) == {"class-1": True, "class-2": False}
    # What has gone already needs no school.
    assert (await importing.run(delta(**rows))).violations == ()


async def test_a_role_that_is_not_named_ends_no_other(importing: Importing) -> None:
    roster = a_school_of_1_2()
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school", status="active")
    roster.tables["roles"].append(role_of(ADA, "teacher", "school-2", "secondary"))
    await importing.run(roster)
    row = deleted(roster.row("roles", f"role-{ADA}-teacher-{SCHOOL}"), "userSourcedId", "role")
    report = await importing.run(
        Roster({"orgs": roster.tables["orgs"], "roles": [row]}, {"orgs": "delta", "roles": "delta"}, "1.2")
    )
    assert places_and_codes(report.violations) == [("roles.csv:2", "role_not_named")]
    assert await left(importing) == set()


async def test_other_schools_are_not_told_of(importing: Importing) -> None:
    roster = two_schools()
    await importing.run(roster)
    (first, second) = await importing.rows(tables.schools)
    rows = [deleted(roster.row("users", ADA)), deleted(roster.row("users", "bob"))]
    admin = caller(Role.ADMIN, second["id"])
    assert (await importing.run(delta(users=rows), caller=admin)).violations == ()
    assert await left(importing) == {"bob"}
    assert first["source_id"] == SCHOOL


@pytest.mark.parametrize(("time_zone", "has_ended"), [("UTC", False), ("Pacific/Kiritimati", True)])
async def test_an_enrolment_that_has_ended_on_the_day_of_its_school_needs_no_school(
    importing: Importing, time_zone: str, has_ended: bool
) -> None:
    """It is noon of 2024-10-15 in UTC, and the next day on Kiritimati."""
    roster = two_schools()
    row = roster.row("enrollments", "class-2-kid")
    row["endDate"] = "2024-10-16"
    await importing.run(roster, time_zone=time_zone)
    report = await importing.run(delta(enrollments=[deleted(row)]))
    assert [violation.code for violation in report.violations] == ([] if has_ended else ["school_not_named"])


class CountedOrgs(dict[str, int]):
    """Counts how often all orgs are listed."""

    listed = 0

    @override
    def items(self) -> Any:
        self.listed += 1
        return super().items()

    @override
    def values(self) -> Any:
        self.listed += 1
        return super().values()


def test_the_roles_of_a_delta_are_found_without_a_search_through_the_orgs() -> None:
    orgs = CountedOrgs({f"school-{i}": i for i in range(100)})
    stored: StoredPeople = {
        "teacher": {(i, f"person-{i}") for i in range(100)},
        "student": {(7, "person-8"), (500, "person-9")},
    }
    findings, erased = Findings(), dict.fromkeys(Erased, Tombstones())
    people = PeopleMapping(
        Orgs(is_complete=False, ids=orgs), findings, TODAY, erased, is_delta=True, lists_all_roles=False
    )
    gone = [PersonRole(i, True, f"person-{i}", "", "", is_primary=False, end=None) for i in range(100)]
    people.read_roles(gone, stored, {})
    names = [PersonRecord(i, f"person-{i}", False, "A", "B", (), "", (), "", None) for i in range(200)]
    people.map(names)

    assert orgs.listed == 1
    assert [violation.pointer for violation in findings.violations] == ["roles.csv:8"]
