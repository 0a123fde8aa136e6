"""Syncs of the roster with a OneRoster 1.2 REST service: at first everything, then the changes."""

from __future__ import annotations

import json
from datetime import date

import pytest

from adsum.operations.migrations import tables
from adsum.roster.importing.service import ImportRefused
from adsum.roster.syncing.rules import SourceUnavailable
from tests.roster.conftest import ADDED_BY_REAL_FILES, REAL, Importing, added, counts, places_and_codes
from tests.roster.syncing.conftest import Syncing
from tests.support.roster_service import Fault, RosterService

NOON = "2024-10-15T11:00:00.000Z"
LATER = "2024-10-15T11:30:00.000Z"


async def test_the_committed_files_over_rest_are_the_roster_of_the_files(
    real_service: RosterService, importing: Importing
) -> None:
    importing.today = date(2026, 10, 15)
    syncing = Syncing(real_service, importing, page_size=100)

    first = await syncing.run()

    assert first.is_full
    assert first.imported.violations == ()
    assert added(first.imported) == ADDED_BY_REAL_FILES
    assert (await importing.run_from(REAL)).changes_nothing
    second = await syncing.run()
    assert (second.is_full, second.imported.changes_nothing) == (False, True)
    assert (await syncing.run(full=True)).imported.changes_nothing


async def test_a_delta_asks_for_changes_and_applies_them(syncing: Syncing, importing: Importing) -> None:
    await syncing.run()
    service = syncing.service
    service.change("users", "student-1", NOON, givenName="Grace")
    service.change("users", "student-2", NOON, status="tobedeleted")
    service.change("enrollments", "class-1-student-3", NOON, status="tobedeleted")
    service.add("users", NOON, like="student-3", sourcedId="student-13", givenName="Joan")
    service.add("enrollments", LATER, like="class-1-student-3", sourcedId="new", user={"sourcedId": "student-13"})
    service.find("enrollments", "new")["status"] = "active"
    service.asked.clear()

    report = await syncing.run(allow_removals=True)

    assert not report.is_full
    assert report.imported.violations == ()
    assert counts(report.imported)["students"][:3] == (1, 1, 1)
    assert counts(report.imported)["enrolments"][:3] == (1, 0, 3)
    assert "filter" not in service.asked["orgs"][0]
    assert service.asked["users"][0]["filter"] == "dateLastModified>='2024-08-01T00:00:00.000Z'"


async def test_a_delta_begins_with_the_last_date_that_was_seen(syncing: Syncing) -> None:
    for user in syncing.service.objects["users"]:
        user["dateLastModified"] = "2024-09-01T08:00:00+02:00"
    syncing.service.change("users", "student-4", "2024-09-01T07:30:00.000Z")
    await syncing.run()
    syncing.service.asked.clear()
    assert (await syncing.run()).imported.changes_nothing
    assert syncing.service.asked["users"][0]["filter"] == "dateLastModified>='2024-09-01T07:30:00.000Z'"


@pytest.mark.every_case
@pytest.mark.parametrize("at", ["2099-01-01T00:00:00Z", "yesterday", "2024-01-01T00:00:00'Z", 7, None])
async def test_a_date_that_cannot_be_right_is_not_the_begin_of_a_delta(syncing: Syncing, at: object) -> None:
    for user in syncing.service.objects["users"]:
        user["dateLastModified"] = "2024-09-01T08:00:00Z"
    syncing.service.find("users", "student-4")["dateLastModified"] = at
    assert (await syncing.run()).imported.violations == ()
    assert (await syncing.state()).seen["users"] == "2024-09-01T08:00:00Z"


async def test_a_full_sync_ends_what_the_source_does_not_have_any_more(syncing: Syncing, importing: Importing) -> None:
    await syncing.run()
    syncing.service.drop("users", "student-1")
    for number in (1, 2):
        syncing.service.drop("enrollments", f"class-{number}-student-1")

    delta = await syncing.run()
    full = await syncing.run(full=True)

    assert delta.imported.changes_nothing
    assert counts(full.imported)["students"] == (0, 0, 1, 11)
    assert (await importing.active(tables.students))["student-1"] is False


async def test_a_student_whose_roles_name_another_school_transfers_by_a_delta(
    syncing: Syncing, importing: Importing
) -> None:
    syncing.service.add("orgs", NOON, like="school-1", sourcedId="school-2", name="Rosenhof")
    await syncing.run()
    role = {"roleType": "primary", "role": "student", "org": {"sourcedId": "school-2"}}
    syncing.service.change("users", "student-1", LATER, roles=[role])

    report = await syncing.run()

    assert report.imported.violations == ()
    assert await importing.schools("student-1") == [("school-2", True), ("school-1", False)]


async def test_a_user_who_gets_another_role_is_no_student_any_more(syncing: Syncing, importing: Importing) -> None:
    await syncing.run()
    for number in (1, 2):
        syncing.service.change("enrollments", f"class-{number}-student-1", NOON, status="tobedeleted")
    syncing.service.change("users", "student-1", NOON, roles=[_role("parent")])

    report = await syncing.run()

    assert report.imported.violations == ()
    assert (await importing.active(tables.students))["student-1"] is False


async def test_a_user_whose_roles_have_ended_leaves(syncing: Syncing, importing: Importing) -> None:
    await syncing.run()
    syncing.service.change("users", "student-1", NOON, roles=[_role("student", endDate="2024-10-01")])

    assert (await syncing.run()).imported.violations == ()
    assert (await importing.active(tables.students))["student-1"] is False


def _role(role: str, **more: str) -> dict[str, object]:
    return {"roleType": "primary", "role": role, "org": {"sourcedId": "school-1"}, **more}


async def test_a_delta_with_errors_is_repeated_until_the_source_has_corrected_them(
    syncing: Syncing, importing: Importing
) -> None:
    """The enrolment does not change when its class appears."""
    await syncing.run()
    syncing.service.add(
        "enrollments", NOON, like="class-1-student-1", sourcedId="early", **{"class": {"sourcedId": "class-3"}}
    )
    wrong = await syncing.run()
    syncing.service.add("classes", LATER, like="class-1", sourcedId="class-3")

    right = await syncing.run()

    assert places_and_codes(wrong.imported.violations) == [("enrollments/early", "unknown_class")]
    assert right.imported.violations == ()
    assert "early" in {row["source_id"] for row in await importing.rows(tables.enrolments)}


async def test_a_collection_that_was_empty_is_read_as_a_whole(syncing: Syncing) -> None:
    enrolments = syncing.service.objects["enrollments"]
    syncing.service.objects["enrollments"] = []
    await syncing.run()
    syncing.service.objects["enrollments"] = enrolments

    report = await syncing.run()

    assert counts(report.imported)["enrolments"] == (24, 0, 0, 0)


async def test_a_dry_run_changes_nothing_and_remembers_nothing(syncing: Syncing, importing: Importing) -> None:
    report = await syncing.run(dry_run=True)

    assert counts(report.imported)["students"] == (12, 0, 0, 0)
    assert not any((await importing.everything()).values())
    assert (await syncing.state()).tried_at is None


async def test_a_strict_sync_with_errors_is_refused_and_named(syncing: Syncing, importing: Importing) -> None:
    syncing.service.change("users", "student-1", NOON, familyName="", givenName="")

    with pytest.raises(ImportRefused, match="the source has violations") as refused:
        await syncing.run(strict=True)

    assert places_and_codes(refused.value.violations)[-1] == ("users/student-1", "missing_value")
    assert not any((await importing.everything()).values())
    state = await syncing.state()
    assert (state.synced_at, state.seen) == (None, {})
    assert state.error is not None
    assert state.error.startswith("import_refused: ")


async def test_more_removals_than_a_tenth_have_to_be_allowed(syncing: Syncing) -> None:
    await syncing.run()
    for number in (1, 2):
        syncing.service.drop("users", f"student-{number}")
        for room in (1, 2):
            syncing.service.drop("enrollments", f"class-{room}-student-{number}")

    with pytest.raises(ImportRefused, match="too many rows") as refused:
        await syncing.run(full=True)
    assert ("users", "too_many_removals") in places_and_codes(refused.value.violations)

    assert counts((await syncing.run(full=True, allow_removals=True)).imported)["students"] == (0, 0, 2, 10)


async def test_a_sync_is_an_entry_of_the_audit_log_with_its_source(syncing: Syncing, importing: Importing) -> None:
    await syncing.run()

    (entry,) = await importing.rows(tables.audit_entries)

    assert entry["action"] == "roster_imported"
    after = json.loads(entry["after"])
    assert (after["source"], after["full"], after["added"]) == (syncing.service.url, True, 44)
    assert "sha256" not in after


async def test_a_sync_that_dies_in_the_middle_changes_nothing_and_is_repeated(
    syncing: Syncing, importing: Importing
) -> None:
    syncing.service.faults["users", 0] = Fault(cut=True)
    with pytest.raises(SourceUnavailable, match="users: it cannot be reached"):
        await syncing.run()
    assert not any((await importing.everything()).values())
    assert (await syncing.state()).error is not None
    syncing.service.faults.clear()

    report = await syncing.run()

    assert (report.is_full, counts(report.imported)["students"]) == (True, (12, 0, 0, 0))
    assert (await syncing.state()).error is None


@pytest.mark.parametrize("enabled", [(False, True), ("false", "true")])
async def test_whether_a_teacher_is_enabled_is_a_truth_value_or_a_text(
    syncing: Syncing, importing: Importing, enabled: tuple[object, object]
) -> None:
    found: list[bool] = []
    await syncing.run()
    for number, value in enumerate(enabled):
        syncing.service.change("users", "teacher-1", f"2024-10-15T0{number}:00:00Z", enabledUser=value)
        assert (await syncing.run()).imported.violations == ()
        (teacher,) = await importing.rows(tables.users)
        found.append(teacher["enabled_in_roster"])
    assert found == [False, True]


async def test_a_class_that_changes_keeps_its_terms(syncing: Syncing, importing: Importing) -> None:
    """The terms themselves are not among the changes."""
    year = {"title": "2024", "type": "schoolYear", "startDate": "2024-08-01", "endDate": "2025-07-31"}
    syncing.service.objects["academicSessions"] = [
        {"sourcedId": "sy", "dateLastModified": NOON, "status": "active", **year}
    ]
    for number in (1, 2):
        syncing.service.change("classes", f"class-{number}", NOON, terms=[{"sourcedId": "sy"}])
    await syncing.run()
    syncing.service.change("classes", "class-1", LATER, title="Changed")

    report = await syncing.run()

    assert (report.imported.violations, report.imported.warnings) == ((), ())
    assert counts(report.imported)["classes"][:3] == (0, 1, 0)
    assert len(await importing.rows(tables.class_terms)) == 2


async def test_a_student_of_a_district_is_one_of_the_schools_of_their_enrolments(
    syncing: Syncing, importing: Importing
) -> None:
    syncing.service.add("orgs", NOON, like="school-1", sourcedId="all", name="District", type="district")
    syncing.service.change("users", "student-1", NOON, roles=[{**_role("student"), "org": {"sourcedId": "all"}}])
    assert (await syncing.run()).imported.violations == ()
    syncing.service.change("users", "student-1", LATER, givenName="Grace")

    assert (await syncing.run()).imported.violations == ()
    assert await importing.schools("student-1") == [("school-1", True)]


async def test_the_agents_of_a_student_are_their_contacts(syncing: Syncing, importing: Importing) -> None:
    syncing.service.add(
        *("users", NOON),
        like="student-1",
        sourcedId="parent-1",
        givenName="Maria",
        roles=[_role("parent")],
        phone="030 1234",
    )
    syncing.service.change("users", "student-1", NOON, agents=[{"sourcedId": "parent-1"}])
    await syncing.run()
    syncing.service.change("users", "parent-1", LATER, phone="030 5678")

    assert (await syncing.run()).imported.violations == ()
    (contact,) = await importing.rows(tables.student_contacts)
    assert (contact["source_id"], contact["given_name"], contact["phone"]) == ("parent-1", "Maria", "030 5678")
