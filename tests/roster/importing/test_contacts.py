"""Contacts of students: the guardians, parents and relatives that `agentSourcedIds` relates to them."""

from __future__ import annotations

import pytest

from adsum.operations.migrations import tables
from adsum.roster.importing.service import ImportRefused
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, Roster, Tables, a_class, a_school, a_school_of_1_2, enrolment, role_of

COLUMNS = ("agentSourcedIds", "phone", "sms", "email")
PARENT = "parent-1"


def with_columns(roster: Roster) -> Roster:
    """The roster with the columns of contacts."""
    for person in roster.tables["users"]:
        person.update(dict.fromkeys(COLUMNS, ""))
    return roster


def a_school_with_a_parent() -> Roster:
    """A school whose `student-1` names a parent in row 6 of users.csv."""
    roster = with_columns(a_school())
    add_contact(roster, PARENT, phone="030 1234")
    roster.row("users", "student-1")["agentSourcedIds"] = PARENT
    return roster


def add_contact(roster: Roster, source_id: str, role: str = "parent", orgs: str = SCHOOL, **cells: str) -> None:
    named = {"givenName": "Maria", "familyName": "Family"}
    placed = {"role": role, "orgSourcedIds": orgs} if roster.version == "1.1" else {"primaryOrgSourcedId": orgs}
    roster.add("users", sourcedId=source_id, status="active", **{**placed, **named, **cells})


def a_school_of_1_2_with_a_parent() -> Roster:
    roster = with_columns(a_school_of_1_2())
    add_contact(roster, PARENT, phone="030 1234")
    roster.tables["roles"].append(role_of(PARENT, "parent"))
    roster.row("users", "student-1")["agentSourcedIds"] = PARENT
    return roster


def two_schools() -> Roster:
    """A school with a parent, and a second one with `student-9`."""
    roster = a_school_with_a_parent()
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.tables["classes"].append(a_class("class-2", school="school-2"))
    roster.add("users", sourcedId="student-9", role="student", orgSourcedIds="school-2", givenName="A", familyName="B")
    roster.tables["enrollments"].append(enrolment("class-2", "student-9", school="school-2"))
    return roster


def delta(roster: Roster, *users: str, roles: tuple[str, ...] = ()) -> Roster:
    """Delta files with the rows of these users; `roles`: ids of rows of roles.csv."""
    found: Tables = {"users": [roster.row("users", source_id) for source_id in users]}
    if roster.version == "1.2":
        found["roles"] = [roster.row("roles", source_id) for source_id in roles]
        for row in found["roles"]:
            row["status"] = row["status"] or "active"
    modes = {name: "delta" for name, rows in found.items() if rows}
    return Roster({name: rows for name, rows in found.items() if rows}, modes=modes, version=roster.version)


async def contacts(importing: Importing) -> dict[tuple[str, str], str]:
    """The phone of each contact, by source ids of the student and of the contact."""
    students = {row["id"]: row["source_id"] for row in await importing.rows(tables.students)}
    rows = await importing.rows(tables.student_contacts)
    return {(students[row["student_id"]], row["source_id"]): row["phone"] or "" for row in rows}


@pytest.mark.parametrize("role", ["guardian", "parent", "relative"])
@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_the_agents_of_a_student_are_their_contacts(importing: Importing, role: str, version: str) -> None:
    roster = a_school_with_a_parent() if version == "1.1" else a_school_of_1_2_with_a_parent()
    if version == "1.1":
        roster.row("users", PARENT)["role"] = role
    else:
        roster.tables["roles"][-1]["role"] = role
    roster.row("users", PARENT).update(sms="0170 1", email="maria@family.example")

    report = await importing.run(roster)

    assert (report.violations, report.warnings, report.ignored) == ((), (), {})
    assert counts(report)["contacts"] == (1, 0, 0, 0)
    (stored,) = await importing.rows(tables.student_contacts)
    assert {name: stored[name] for name in ("source_id", "role", "given_name", "family_name")} == {
        "source_id": PARENT,
        "role": role,
        "given_name": "Maria",
        "family_name": "Family",
    }
    assert (stored["phone"], stored["sms"], stored["email"]) == ("030 1234", "0170 1", "maria@family.example")
    assert (await importing.run(roster)).changes_nothing


async def test_the_row_of_a_contact_may_name_the_students_instead(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    roster.row("users", "student-1")["agentSourcedIds"] = ""
    roster.row("users", PARENT)["agentSourcedIds"] = "student-2,student-3"

    assert counts(await importing.run(roster))["contacts"] == (2, 0, 0, 0)

    roster.row("users", "student-2")["agentSourcedIds"] = PARENT
    roster.row("users", PARENT)["agentSourcedIds"] = "student-3"
    assert counts(await importing.run(roster))["contacts"] == (0, 1, 0, 1)
    assert (await contacts(importing)).keys() == {("student-2", PARENT), ("student-3", PARENT)}


async def test_a_complete_file_changes_and_deletes_contacts(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    add_contact(roster, "parent-2", phone="040 1")
    roster.row("users", "student-1")["agentSourcedIds"] = f"{PARENT},parent-2"
    roster.row("users", "student-2")["agentSourcedIds"] = "parent-2"
    await importing.run(roster)

    roster.row("users", PARENT)["phone"] = "030 9999"
    roster.row("users", "student-2")["agentSourcedIds"] = ""
    report = await importing.run(roster)

    assert counts(report)["contacts"] == (0, 1, 1, 1)
    assert await contacts(importing) == {("student-1", PARENT): "030 9999", ("student-1", "parent-2"): "040 1"}
    roster.drop("users", PARENT)
    roster.row("users", "parent-2")["status"] = "tobedeleted"
    report = await importing.run(roster, allow_removals=True)
    assert places_and_codes(report.warnings) == [("users.csv:2", "unknown_agent")]
    assert await contacts(importing) == {}


async def test_a_dry_run_counts_contacts_and_stores_none(importing: Importing) -> None:
    report = await importing.run(a_school_with_a_parent(), dry_run=True)

    assert counts(report)["contacts"] == (1, 0, 0, 0)
    assert await importing.rows(tables.student_contacts) == []


async def test_most_contacts_leave_only_if_that_is_allowed(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    for number in range(2, 8):
        add_contact(roster, f"parent-{number}", phone="1")
        roster.row("users", "student-2")["agentSourcedIds"] += f",parent-{number}"
    await importing.run(roster)
    roster.row("users", "student-2")["agentSourcedIds"] = "parent-2,parent-3"
    assert counts(await importing.run(roster, dry_run=True))["contacts"] == (0, 0, 4, 3)

    with pytest.raises(ImportRefused) as refusal:
        await importing.run(roster)

    assert places_and_codes(tuple(refusal.value.violations)) == [("users.csv", "too_many_removals")]
    assert refusal.value.violations[0].params["table"] == "contacts"
    assert counts(await importing.run(roster, allow_removals=True))["contacts"] == (0, 0, 4, 3)


async def test_a_file_without_the_column_of_the_agents_leaves_contacts_as_they_are(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    await importing.run(roster)
    for row in roster.tables["users"]:
        del row["agentSourcedIds"]
    roster.row("users", PARENT)["phone"] = "030 9999"

    assert counts(await importing.run(roster))["contacts"] == (0, 1, 0, 0)
    roster.drop("users", PARENT)
    assert counts(await importing.run(roster))["contacts"] == (0, 0, 0, 1)
    assert await contacts(importing) == {("student-1", PARENT): "030 9999"}


def a_school_with_wrong_relations() -> Roster:
    roster = a_school_with_a_parent()
    roster.row("users", "student-1")["agentSourcedIds"] = f"nobody,{PARENT},{PARENT},teacher-1"
    roster.row("users", "student-2")["agentSourcedIds"] = "x" * 300
    roster.row("users", "student-3")["agentSourcedIds"] = "parent-2,parent-3"
    roster.row("users", PARENT).update(agentSourcedIds="teacher-1,someone,student-1", phone="", sms="")
    add_contact(roster, "parent-2", role="sibling", phone="1")
    add_contact(roster, "parent-3", phone="1" * 300, agentSourcedIds="parent-2")
    add_contact(roster, "parent-4", role="guardian", phone="1")
    return roster


async def test_wrong_relations_are_named_by_row_and_leave_out_no_student(importing: Importing) -> None:
    report = await importing.run(a_school_with_wrong_relations())

    assert places_and_codes(report.violations) == [("users.csv:7", "unknown_role")]
    assert places_and_codes(report.warnings) == [
        ("users.csv:2", "unknown_agent"),
        ("users.csv:3", "too_long"),
        ("users.csv:4", "depends_on_left_out"),
        ("users.csv:6", "unknown_agent"),
        ("users.csv:6", "no_phone"),
        ("users.csv:8", "too_long"),
        ("users.csv:8", "depends_on_left_out"),
        ("users.csv:8", "no_phone"),
    ]
    assert report.warnings[0].params == {
        "file": "users.csv",
        "row": 2,
        "column": "agentSourcedIds",
        "agent": "nobody",
        "user": "student-1",
    }
    assert report.ignored == {
        "users.csv: agent who is neither student nor contact": 2,
        "users.csv: guardian without a student": 1,
    }
    assert counts(report)["students"] == (3, 0, 0, 0)
    assert (await contacts(importing)).keys() == {("student-1", PARENT), ("student-3", "parent-3")}


async def test_a_contact_of_a_student_of_another_school_is_stored_with_a_warning(importing: Importing) -> None:
    roster = two_schools()
    roster.row("users", PARENT)["agentSourcedIds"] = "student-9"

    report = await importing.run(roster)

    assert places_and_codes(report.warnings) == [("users.csv:6", "student_of_other_school")]
    assert (await contacts(importing)).keys() == {("student-1", PARENT), ("student-9", PARENT)}
    roster.row("users", PARENT)["orgSourcedIds"] = f"{SCHOOL},school-2"
    assert (await importing.run(roster)).warnings == ()
    roster.row("users", PARENT)["orgSourcedIds"] = ""
    assert (await importing.run(roster)).warnings == ()


async def test_an_invalid_row_keeps_the_contacts_that_depend_on_it(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    roster.row("users", "student-2")["agentSourcedIds"] = PARENT
    roster.row("users", PARENT)["agentSourcedIds"] = "student-3"
    await importing.run(roster)
    before = await importing.rows(tables.student_contacts)
    roster.row("users", "student-1").update(role="pupil", agentSourcedIds="")
    roster.row("users", PARENT)["role"] = "mother"

    report = await importing.run(roster)

    assert {place for place, _ in places_and_codes(report.violations)} >= {"users.csv:2", "users.csv:6"}
    assert await importing.rows(tables.student_contacts) == before


async def test_a_student_who_is_left_out_has_no_contacts(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    roster.row("users", "student-1")["orgSourcedIds"] = "nowhere"
    roster.drop("enrollments", "class-1-student-1")
    roster.row("users", PARENT)["agentSourcedIds"] = "student-1,student-2"
    roster.row("users", "student-2")["role"] = "pupil"

    report = await importing.run(roster)

    assert places_and_codes(report.warnings) == [("users.csv:6", "depends_on_left_out")]
    assert counts(report)["contacts"] == (0, 0, 0, 0)


async def test_a_student_who_leaves_takes_the_contacts_along(importing: Importing) -> None:
    roster = two_schools()
    await importing.run(roster)
    roster.row("users", "student-1")["orgSourcedIds"] = "school-2"

    report = await importing.run(roster)

    assert counts(report)["contacts"] == (1, 0, 1, 0)
    schools = {row["id"]: row["source_id"] for row in await importing.rows(tables.schools)}
    (moved,) = await importing.rows(tables.student_contacts)
    assert schools[moved["school_id"]] == "school-2"
    roster.drop("users", "student-1")
    await importing.run(roster, allow_removals=True)
    assert await contacts(importing) == {}


async def test_a_delta_file_has_the_row_of_the_student_or_of_the_contact(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    add_contact(roster, "parent-2", phone="040 1", agentSourcedIds="student-1")
    await importing.run(roster)

    roster.row("users", PARENT)["phone"] = "030 9999"
    assert counts(await importing.run(delta(roster, PARENT)))["contacts"] == (0, 1, 0, 1)

    roster.row("users", "student-1")["agentSourcedIds"] = ""
    roster.row("users", "student-2")["agentSourcedIds"] = PARENT
    report = await importing.run(delta(roster, "student-1", "student-2"))
    assert report.warnings == ()
    assert counts(report)["contacts"] == (1, 0, 1, 1)
    assert await contacts(importing) == {("student-2", PARENT): "030 9999", ("student-1", "parent-2"): "040 1"}

    roster.row("users", "parent-2")["agentSourcedIds"] = "student-3"
    assert counts(await importing.run(delta(roster, "parent-2")))["contacts"] == (1, 0, 1, 1)

    roster.row("users", "parent-2")["status"] = "tobedeleted"
    roster.row("users", "student-2")["status"] = "tobedeleted"
    report = await importing.run(delta(roster, "parent-2", "student-2"), allow_removals=True)
    assert counts(report)["contacts"] == (0, 0, 2, 0)


async def test_a_delta_file_warns_of_an_agent_whom_nothing_tells(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    add_contact(roster, "parent-2", phone="1")
    await importing.run(roster)
    roster.row("users", "student-2")["agentSourcedIds"] = "parent-2"
    roster.row("users", PARENT).update(status="tobedeleted")
    roster.row("users", "student-1")["agentSourcedIds"] = PARENT

    report = await importing.run(delta(roster, "student-1", "student-2", PARENT), allow_removals=True)

    assert places_and_codes(report.warnings) == [("users.csv:3", "unknown_agent")]
    assert await contacts(importing) == {}


async def test_a_deleted_contact_without_an_org_is_found_at_a_school_that_no_row_names(importing: Importing) -> None:
    roster = two_schools()
    await importing.run(roster)
    roster.row("users", PARENT).update(status="tobedeleted", orgSourcedIds="")

    report = await importing.run(delta(roster, PARENT))

    assert places_and_codes(report.violations) == [("users.csv:2", "school_not_named")]
    assert (await contacts(importing)).keys() == {("student-1", PARENT)}


async def test_a_delta_file_of_version_1_2_may_lack_the_role_of_a_contact(importing: Importing) -> None:
    roster = a_school_of_1_2_with_a_parent()
    await importing.run(roster)
    role = f"role-{PARENT}-parent-{SCHOOL}"
    roster.row("users", PARENT)["phone"] = "030 9999"
    sent = delta(roster, PARENT, roles=(f"role-teacher-1-teacher-{SCHOOL}",))

    report = await importing.run(sent)

    assert (report.violations, report.warnings, report.ignored) == ((), (), {})
    assert await contacts(importing) == {("student-1", PARENT): "030 9999"}
    unchanged = Roster({"roles": [roster.row("roles", role)]}, modes={"roles": "delta"}, version="1.2")
    assert (await importing.run(unchanged)).changes_nothing
    stranger = Roster(
        {"users": [{**roster.row("users", PARENT), "sourcedId": "stranger"}], "roles": [roster.row("roles", role)]},
        modes={"users": "delta", "roles": "delta"},
        version="1.2",
    )
    assert (await importing.run(stranger)).ignored == {"users.csv: no role": 1}


@pytest.mark.parametrize("is_named", [True, False])
async def test_a_role_that_a_delta_file_deletes_ends_the_contact(importing: Importing, *, is_named: bool) -> None:
    roster = a_school_of_1_2_with_a_parent()
    await importing.run(roster)
    role = roster.row("roles", f"role-{PARENT}-parent-{SCHOOL}")
    role["status"] = "tobedeleted"
    if not is_named:
        role.update(role="", orgSourcedId="")
    sent = Roster({"roles": [role]}, modes={"roles": "delta"}, version="1.2")

    assert counts(await importing.run(sent))["contacts"] == (0, 0, 1, 0)


async def test_a_parent_who_teaches_is_both(importing: Importing) -> None:
    roster = a_school_of_1_2_with_a_parent()
    roster.tables["roles"].append(role_of("teacher-1", "parent", kind="secondary"))
    roster.row("users", "teacher-1").update(agentSourcedIds="student-2", phone="040 1")

    report = await importing.run(roster)

    assert (report.violations, report.warnings, report.ignored) == ((), (), {})
    assert await contacts(importing) == {("student-1", PARENT): "030 1234", ("student-2", "teacher-1"): "040 1"}
    assert counts(report)["teachers"] == (1, 0, 0, 0)


async def test_the_roster_of_one_school_leaves_the_contacts_of_another(importing: Importing) -> None:
    await importing.run(two_schools())
    other = with_columns(a_school())
    for row in (
        other.tables["orgs"][0],
        *other.tables["users"],
        *other.tables["classes"],
        *other.tables["enrollments"],
    ):
        row.update({name: "school-2" for name in row if name in ("orgSourcedIds", "schoolSourcedId")})
    other.tables["orgs"][0]["sourcedId"] = "school-2"
    other.tables["classes"][0]["sourcedId"] = "class-2"

    await importing.run(other, allow_removals=True)

    assert (await contacts(importing)).keys() == {("student-1", PARENT)}
