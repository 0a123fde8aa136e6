"""One sourcedId is one student across the schools of a roster: students change schools, and belong to several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from adsum.operations.migrations import tables
from adsum.roster.importing.rules import StudentChange
from tests.roster.conftest import Importing, counts, places_and_codes
from tests.roster.files import SCHOOL, Roster, enrolment
from tests.roster.importing.transfers import BEGIN, DAY, MOVED, NEW, OLD, OTHER, roster, transferred

__all__ = ["roster"]


STUDENTS = "students"


@pytest.mark.parametrize("today", [date(2024, 10, 10), DAY, date(2024, 10, 20)])
async def test_a_transfer_in_a_complete_file_keeps_the_student_and_all_dates(
    importing: Importing, roster: Roster, today: date
) -> None:
    await importing.run(roster)
    (before,) = [row for row in await importing.rows(tables.students) if row["source_id"] == MOVED]
    importing.today = today
    transferred(roster).row("users", MOVED)["grades"] = "10"

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)[STUDENTS] == (0, 1, 0, 12)
    (after,) = [row for row in await importing.rows(tables.students) if row["source_id"] == MOVED]
    assert (after["id"], after["grade"]) == (before["id"], "10")
    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]
    spans = await importing.spans()
    assert (spans[OLD], spans[NEW]) == ((BEGIN, DAY), (DAY, None))
    assert {row["student_id"] for row in await importing.rows(tables.enrolments) if row["source_id"] in {OLD, NEW}} == {
        before["id"]
    }
    everything = await importing.everything()
    assert (await importing.run(roster)).changes_nothing
    assert await importing.everything() == everything


async def test_a_transfer_ends_no_student(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    for number in range(1, 9):
        roster.row("users", f"student-{number}")["orgSourcedIds"] = OTHER

    report = await importing.run(roster)

    assert counts(report)[STUDENTS] == (0, 8, 0, 5)


async def test_a_dry_run_names_a_transfer_as_a_move(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)

    report = await importing.run(transferred(roster), dry_run=True)

    (moved,) = report.students[StudentChange.MOVES].students
    assert (moved.source_id, [each.school for each in moved.joined]) == (MOVED, ["Rosenhof"])
    assert [report.students[change].count for change in (StudentChange.JOINS, StudentChange.LEAVES)] == [0, 0]


async def test_a_student_transfers_back(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    await importing.run(transferred(roster))
    importing.today = date(2024, 11, 4)
    roster.row("users", MOVED)["orgSourcedIds"] = SCHOOL
    roster.row("enrollments", NEW)["endDate"] = "2024-11-04"
    roster.add("enrollments", **enrolment("class-1", MOVED, begin="2024-11-04") | {"sourcedId": "again"})

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)[STUDENTS] == (0, 1, 0, 12)
    assert await importing.schools(MOVED) == [(SCHOOL, True), (OTHER, False)]
    spans = await importing.spans()
    assert [spans[each] for each in (OLD, NEW, "again")] == [
        (BEGIN, DAY),
        (DAY, date(2024, 11, 4)),
        (date(2024, 11, 4), None),
    ]
    assert (await importing.run(roster)).changes_nothing


@pytest.mark.parametrize(
    ("cells", "end"), [({"status": "tobedeleted"}, DAY), ({"endDate": "2024-10-20"}, date(2024, 10, 20))]
)
async def test_a_transfer_in_a_delta_file(
    importing: Importing, roster: Roster, cells: dict[str, str], end: date
) -> None:
    await importing.run(roster)
    old = {**roster.row("enrollments", OLD), **cells}
    delta = Roster(
        {
            "users": [{**roster.row("users", MOVED), "orgSourcedIds": OTHER}],
            "enrollments": [old, enrolment("class-2", MOVED, begin="2024-10-20", school=OTHER)],
        },
        modes={"users": "delta", "enrollments": "delta"},
    )

    report = await importing.run(delta)

    assert report.violations == ()
    assert counts(report)[STUDENTS] == (0, 1, 0, 0)
    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]
    assert (await importing.spans())[OLD] == (BEGIN, end)
    assert (await importing.run(delta)).changes_nothing


async def test_a_delta_of_users_ends_the_old_enrolment_today(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    moved = {**roster.row("users", MOVED), "orgSourcedIds": OTHER}
    delta = Roster({"orgs": roster.tables["orgs"], "users": [moved]}, modes={"orgs": "bulk", "users": "delta"})

    report = await importing.run(delta)

    assert report.violations == ()
    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]
    assert (await importing.spans())[OLD] == (BEGIN, DAY)


async def test_a_student_whose_home_school_closes_transfers(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    roster.row("orgs", SCHOOL)["status"] = "tobedeleted"
    roster.row("users", MOVED)["orgSourcedIds"] = OTHER

    await importing.run(roster, allow_removals=True)

    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]
    assert await importing.schools("student-2") == [(SCHOOL, False)]


async def test_a_student_who_leaves_the_home_school_alone_has_the_other_as_home(
    importing: Importing, roster: Roster
) -> None:
    roster.row("users", MOVED)["orgSourcedIds"] = f"{SCHOOL},{OTHER}"
    await importing.run(roster)
    roster.row("users", MOVED)["orgSourcedIds"] = OTHER

    report = await importing.run(roster)

    assert report.violations == ()
    assert counts(report)[STUDENTS] == (0, 1, 0, 12)
    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]


async def test_a_student_of_a_second_school_leaves_its_classes_with_it(importing: Importing, roster: Roster) -> None:
    roster.row("users", MOVED)["orgSourcedIds"] = f"{SCHOOL},{OTHER}"
    roster.tables["enrollments"].append(enrolment("class-2", MOVED, school=OTHER))
    await importing.run(roster)
    delta = Roster(
        {"orgs": roster.tables["orgs"], "users": [{**roster.row("users", MOVED), "orgSourcedIds": SCHOOL}]},
        modes={"orgs": "bulk", "users": "delta"},
    )

    report = await importing.run(delta, allow_removals=True)

    assert counts(report)[STUDENTS] == (0, 0, 1, 1)
    assert await importing.schools(MOVED) == [(SCHOOL, True), (OTHER, False)]
    spans = await importing.spans()
    assert (spans[NEW][1], spans[OLD][1]) == (DAY, None)


async def test_a_student_who_left_comes_back_at_another_school(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    back = roster.row("users", MOVED)
    for table, source_id in (("users", MOVED), ("enrollments", OLD)):
        roster.drop(table, source_id)
    await importing.run(roster)
    roster.tables["users"].append({**back, "orgSourcedIds": OTHER})

    report = await importing.run(roster)

    assert counts(report)[STUDENTS] == (0, 1, 0, 12)
    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]


@pytest.mark.parametrize("is_deleted_first", [True, False])
async def test_a_student_who_is_deleted_at_one_school_and_active_at_another_transfers(
    importing: Importing, roster: Roster, is_deleted_first: bool
) -> None:
    await importing.run(roster)
    old = roster.row("users", MOVED)
    rows = [{**old, "status": "tobedeleted"}, {**old, "orgSourcedIds": OTHER}]
    enrolled = [enrolment("class-2", MOVED, begin="2024-10-15", school=OTHER)]
    delta = Roster(
        {"users": rows if is_deleted_first else rows[::-1], "enrollments": enrolled},
        modes={"users": "delta", "enrollments": "delta"},
    )

    report = await importing.run(delta)

    assert (report.violations, report.warnings) == ((), ())
    assert counts(report)[STUDENTS] == (0, 1, 0, 0)
    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]
    spans = await importing.spans()
    assert (spans[OLD], spans[NEW]) == ((BEGIN, DAY), (DAY, None))
    assert (await importing.run(delta)).changes_nothing


async def test_a_deleted_row_ends_nobody_whose_other_row_is_wrong(importing: Importing, roster: Roster) -> None:
    await importing.run(roster)
    old = roster.row("users", MOVED)
    rows = [{**old, "status": "tobedeleted"}, {**old, "orgSourcedIds": OTHER, "role": "pupil"}]

    report = await importing.run(Roster({"users": rows}, modes={"users": "delta"}))

    assert places_and_codes(report.violations) == [("users.csv:3", "unknown_role")]
    assert await importing.schools(MOVED) == [(SCHOOL, True)]


async def test_a_student_of_the_district_moves_with_the_enrolments(importing: Importing, roster: Roster) -> None:
    roster.add("orgs", sourcedId="district", name="All", type="district")
    roster.row("users", MOVED)["orgSourcedIds"] = "district"
    await importing.run(roster)
    assert await importing.schools(MOVED) == [(SCHOOL, True)]
    transferred(roster).row("users", MOVED)["orgSourcedIds"] = "district"

    report = await importing.run(roster)

    assert report.violations == ()
    assert await importing.schools(MOVED) == [(OTHER, True), (SCHOOL, False)]
    assert (await importing.spans())[OLD] == (BEGIN, DAY)


async def test_a_student_of_the_district_stays_without_an_enrolment_in_a_delta(
    importing: Importing, roster: Roster
) -> None:
    roster.add("orgs", sourcedId="district", name="All", type="district")
    roster.row("users", MOVED)["orgSourcedIds"] = "district"
    await importing.run(roster)
    roster.modes = dict.fromkeys(("orgs", "users", "classes"), "bulk") | {"enrollments": "delta"}
    roster.tables["enrollments"] = [roster.row("enrollments", "class-1-student-2")]

    report = await importing.run(roster)

    assert report.violations == ()
    assert report.changes_nothing


async def insert_absences(importing: Importing, planned: Sequence[Mapping[str, Any]]) -> list[int]:
    absences = tables.absences
    async with importing.database.transaction() as connection:
        statements = [insert(absences).values(each).returning(absences.c.id) for each in planned]
        return [(await connection.execute(each)).scalar_one() for each in statements]


async def test_a_transfer_warns_of_the_absences_that_stay_at_the_former_school(
    importing: Importing, roster: Roster
) -> None:
    await importing.run(roster)
    rows = {row["source_id"]: row for row in await importing.rows(tables.students)}
    moved = rows[MOVED]
    of_moved = {"student_id": moved["id"], "school_id": moved["school_id"], "status": "excused", "reason": "secret"}
    ahead = {"first_day": date(2024, 10, 1), "last_day": importing.today}
    planned = [
        of_moved | ahead,
        of_moved | ahead | {"last_day": date(2024, 10, 2)},
        of_moved | ahead | {"revoked_at": datetime(2024, 10, 1, tzinfo=UTC)},
        of_moved | ahead | {"student_id": rows["student-2"]["id"]},
        of_moved | ahead | {"school_id": rows["native"]["school_id"]},
    ]
    first_id, *_ = await insert_absences(importing, planned)
    transferred(roster)

    shown = await importing.run(roster, dry_run=True)
    report = await importing.run(roster)
    again = await importing.run(roster)

    (warning,) = report.warnings
    assert shown.warnings == report.warnings
    assert (warning.code, warning.params["studentId"], warning.params["absenceId"]) == (
        "absence_at_former_school",
        moved["id"],
        first_id,
    )
    assert warning.pointer.startswith("users.csv:")
    assert f"student {MOVED} leaves the school at which absence {first_id} is planned" in warning.detail
    assert "secret" not in warning.detail
    assert again.warnings == ()
