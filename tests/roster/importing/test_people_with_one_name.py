"""People with one name are imported, with a warning if they are new or their name changes."""

from __future__ import annotations

from adsum.operations.migrations import tables
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, Roster, a_school, a_school_of_1_2, role_of, user
from tests.roster.importing.test_contacts import (
    PARENT,
    a_school_of_1_2_with_a_parent,
    a_school_with_a_parent,
    add_contact,
)


async def test_a_new_student_and_a_new_teacher_with_one_name_are_imported_with_a_warning(importing: Importing) -> None:
    roster = a_school()
    roster.row("users", "student-2")["familyName"] = ""
    roster.row("users", "teacher-1")["givenName"] = ""

    report = await importing.run(roster)

    assert [(each.params["column"], each.detail) for each in report.warnings] == [
        ("familyName", "familyName is empty: the person is imported with one name"),
        ("givenName", "givenName is empty: the person is imported with one name"),
    ]
    assert places_and_codes(report.warnings) == [("users.csv:3", "one_name"), ("users.csv:5", "one_name")]
    names = {row["source_id"]: row["family_name"] for row in await importing.rows(tables.students)}
    assert names["student-2"] == ""


async def test_a_name_that_stays_is_named_once_and_a_changed_one_again(importing: Importing) -> None:
    roster = a_school()
    roster.row("users", "student-2")["familyName"] = ""
    roster.row("users", "teacher-1")["givenName"] = ""
    await importing.run(roster)

    again = await importing.run(roster)
    roster.row("users", "student-1")["givenName"] = ""
    roster.row("users", "student-2")["givenName"] = "Another"
    changed = await importing.run(roster)

    assert again.warnings == ()
    assert places_and_codes(changed.warnings) == [("users.csv:2", "one_name"), ("users.csv:3", "one_name")]


async def test_a_student_with_one_name_who_transfers_is_not_new(importing: Importing) -> None:
    roster = a_school()
    roster.add("orgs", sourcedId="school-2", name="Rosenhof", type="school")
    roster.row("users", "student-2")["familyName"] = ""
    await importing.run(roster)
    roster.row("users", "student-2")["orgSourcedIds"] = "school-2"

    report = await importing.run(roster)

    assert await importing.schools("student-2") == [("school-2", True), (SCHOOL, False)]
    assert "one_name" not in {each.code for each in report.warnings}


async def test_people_who_are_not_imported_are_not_said_to_be(importing: Importing) -> None:
    roster: Roster = a_school_of_1_2()
    for source_id in ("student-1", "student-3"):
        roster.row("users", source_id)["familyName"] = ""
    roster.row("roles", f"role-student-1-student-{SCHOOL}")["role"] = "pupil"
    roster.row("users", "student-3")["status"] = "tobedeleted"
    for source_id, role in (("head", "siteAdministrator"), ("robot", "ext:robot")):
        row = user(source_id, "", "Only", "")
        roster.add("users", **{name: row.get(name, "") for name in roster.row("users", "student-2")})
        roster.tables["roles"].append(role_of(source_id, role))

    report = await importing.run(roster)

    assert ("users.csv:2", "depends_on_left_out") in places_and_codes(report.violations)
    assert "one_name" not in {each.code for each in report.warnings}


async def test_a_new_contact_with_one_name_and_a_changed_one_are_imported_with_a_warning(importing: Importing) -> None:
    roster = a_school_with_a_parent()
    roster.row("users", PARENT)["familyName"] = ""
    first = await importing.run(roster)
    roster.row("users", PARENT)["phone"] = "030 9999"
    same_name = await importing.run(roster)
    roster.row("users", PARENT).update(givenName="", familyName="Byron")
    changed = await importing.run(roster)

    (warning,) = first.warnings
    assert (warning.code, warning.pointer, warning.params["column"]) == ("one_name", "users.csv:6", "familyName")
    assert same_name.warnings == ()
    assert [(each.code, each.params["column"]) for each in changed.warnings] == [("one_name", "givenName")]
    (stored,) = await importing.rows(tables.student_contacts)
    assert (stored["given_name"], stored["family_name"], stored["phone"]) == ("", "Byron", "030 9999")


async def test_a_contact_of_a_further_student_is_not_new_and_one_without_a_student_is_not_imported(
    importing: Importing,
) -> None:
    roster = a_school_with_a_parent()
    roster.row("users", PARENT)["familyName"] = ""
    add_contact(roster, "parent-2", givenName="", phone="1")
    first = await importing.run(roster)
    roster.row("users", "student-2")["agentSourcedIds"] = PARENT

    report = await importing.run(roster)

    assert places_and_codes(first.warnings) == [("users.csv:6", "one_name")]
    assert counts(report)["contacts"] == (1, 0, 0, 1)
    assert report.warnings == ()


async def test_a_teacher_with_one_name_who_is_a_contact_is_named_once(importing: Importing) -> None:
    roster = a_school_of_1_2_with_a_parent()
    roster.tables["roles"].append(role_of("teacher-1", "parent", kind="secondary"))
    roster.row("users", "teacher-1").update(agentSourcedIds="student-2", phone="040 1", familyName="")

    report = await importing.run(roster)

    assert places_and_codes(report.warnings) == [("users.csv:5", "one_name")]
