"""Entering, changing and revoking planned absences, and their effect on existing records."""

from __future__ import annotations

import asyncio
from datetime import date
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import func, select

from adsum.absences.apply import DueAbsences
from adsum.absences.rules import Absence
from adsum.absences.service import Absences
from adsum.absences.tables import due_absences
from adsum.accounts.access import Role, system_caller
from adsum.attendance.tables import attendances
from adsum.platform.clock import system_clock as now
from adsum.platform.database.reading import StandbyReader
from adsum.platform.errors import Invalid
from adsum.platform.ids import Batch
from adsum.schools.calendar.rules import SessionTime
from tests.absences.conftest import Office
from tests.support.api import DAY, violations
from tests.support.installation import ended
from tests.support.schools import (
    add_school,
    caller,
    enrol,
    give_times,
    make_bare_school,
    make_record,
    make_school,
    make_session,
    make_student,
)


async def change(office: Office, absence_id: int, version: str | None = '"1"', **fields: Any) -> Any:
    return await office.api.change("PATCH", f"/absences/{absence_id}", "office", version, json=fields)


async def revoke(office: Office, absence_id: int, version: str = '"1"') -> Any:
    return await office.api.change("DELETE", f"/absences/{absence_id}", "office", version)


async def test_an_absence_that_is_entered_afterwards_corrects_the_teachers_marks(office: Office) -> None:
    first, second, third = office.school.student_ids
    await office.take(unselectedStudentIds=[first], marks=[{"studentId": third, "status": "excused"}])

    answer = (await office.enter(first, second, third)).json()

    assert answer["correctedRecords"] == 2
    assert await office.api.statuses() == dict.fromkeys(office.school.student_ids, "excused")
    record = await office.record(first)
    assert (record["version"], record["markedByRole"], record["absenceId"]) == (2, "office", answer["items"][0]["id"])


async def test_an_absence_keeps_marks_that_the_office_has_set_or_cleared(office: Office) -> None:
    first, second, _ = office.school.student_ids
    await office.take("office", marks=[{"studentId": first, "status": "late"}])
    cleared = await office.record(second)
    await office.api.change("DELETE", f"/attendances/{cleared['id']}", "office", '"1"')

    entered = (await office.enter(first, second)).json()
    assert entered["correctedRecords"] == 0
    kept = (await office.record(first))["id"]
    (warning,) = entered["warnings"]
    assert (warning["code"], warning["recordIds"], warning["keptRecords"]) == ("office_marks_stay", [kept], 1)
    assert warning["detail"] == f"1 record keeps the mark of the office or of another absence: {kept}"
    of_first, of_second = [(await office.api.get(f"/absences/{each['id']}")).json() for each in entered["items"]]
    assert (of_first["warnings"], of_second["warnings"]) == ([warning], [])
    assert (await office.enter(first, second)).json()["warnings"] == [warning], "the same absence again"
    assert (await change(office, of_first["id"], status="late")).json()["warnings"] == []
    again = await change(office, of_first["id"], '"2"', status="absent")
    assert again.json()["warnings"] == [warning]
    assert (await revoke(office, of_first["id"], '"3"')).json()["warnings"] == []
    assert (await office.api.get(f"/absences/{of_first['id']}")).json()["warnings"] == []

    statuses = await office.api.statuses()
    assert (statuses[first], statuses[second]) == ("late", None)


async def test_an_absence_is_of_one_school_of_the_student(office: Office) -> None:
    first, second, _ = office.school.student_ids
    async with office.adsum.database.transaction() as connection:
        other = await make_school(connection, students=1)
        (guest,) = other.student_ids
        await add_school(connection, first, other.school_id)
        await add_school(connection, guest, office.school.school_id)
        await enrol(connection, other.class_id, [first])
        day = date.fromisoformat(DAY)
        batch = Batch(other.class_id, other.session_id, day)
        record = await make_record(connection, other.school_id, batch, first, marked_role="teacher")

    entered = (await office.enter(first, fromTime="08:00", toTime="18:00")).json()
    whole_day = (await office.enter(first)).json()
    with_guest = await office.enter(second, guest)
    absences = Absences(office.adsum.database, StandbyReader(office.adsum.database), now)
    at_other = await absences.add([guest, first], Absence(day, day, status="excused", reason="both"), system_caller())

    assert (entered["correctedRecords"], whole_day["correctedRecords"]) == (0, 0)
    assert entered["warnings"][0]["sessionIds"] == [office.school.session_id]
    assert with_guest.status_code == HTTPStatus.CREATED
    assert {each.school_id for each in at_other.absences} == {other.school_id}
    assert at_other.changed_records == 1
    async with office.adsum.database.snapshot() as connection:
        marked = select(attendances.c.absence_id).where(attendances.c.id == record)
        assert await connection.scalar(marked) == at_other.absences[1].id


async def test_an_absence_corrects_the_records_of_an_open_run_after_the_run_has_ended(office: Office) -> None:
    first = office.school.student_ids[0]
    accepted = (await office.api.create("teacher")).json()
    assert (await office.enter(first)).json()["correctedRecords"] == 0
    due = DueAbsences(office.adsum.database, now)
    assert await due.apply() == 0, "the run is open"
    async with office.worker():
        await ended(office.adsum, accepted["batchId"])
    assert (await office.api.statuses())[first] == "present"

    assert (await due.apply(), await due.apply()) == (1, 0)

    assert (await office.api.statuses())[first] == "excused"


async def test_an_absence_is_entered_and_changed_at_the_named_school(office: Office) -> None:
    first, second, _ = office.school.student_ids
    await office.api.sign_in(Role.ADMIN, None)
    async with office.adsum.database.transaction() as connection:
        other = await make_school(connection, students=0)
        await add_school(connection, first, other.school_id, active=True)
    at, here = other.school_id, [office.school.session_id]

    entered = await office.enter(first, role="admin", schoolId=at, sessionIds=[other.session_id])
    not_there = await office.enter(first, second, role="admin", schoolId=at, sessionIds=here)
    hidden = await office.enter(first, schoolId=at)
    (item,) = (await office.api.get("/absences", "admin", schoolId=at)).json()["items"]
    changed = await office.api.change("PATCH", f"/absences/{item['id']}", "admin", '"1"', json={"reason": "dentist"})

    assert entered.status_code == HTTPStatus.CREATED, entered.text
    assert violations(not_there) == {("/studentIds/1", "unknown_student"), ("/sessionIds/0", "unknown_session")}
    assert f"no student {second} at school {at}" in not_there.text
    assert violations(hidden) == {("/schoolId", "unknown_school")}
    assert (changed.status_code, changed.json()["sessionIds"]) == (HTTPStatus.OK, [other.session_id])


async def test_an_absence_waits_for_no_open_run_of_another_school(office: Office) -> None:
    first = office.school.student_ids[0]
    async with office.adsum.database.transaction() as connection:
        other = await make_bare_school(connection, name="Ahorn")
        await add_school(connection, first, other, active=True)
    await office.api.create("teacher")
    day = date.fromisoformat(DAY)
    at_other = caller(Role.OFFICE, other)

    await office.adsum.absences.add([first], Absence(day, day, "excused", reason="doctor"), at_other)

    async with office.adsum.database.snapshot() as connection:
        assert await connection.scalar(select(func.count()).select_from(due_absences)) == 0


async def test_revoking_restores_earlier_marks_and_clears_marks_that_began_with_the_absence(office: Office) -> None:
    first, second, _ = office.school.student_ids
    before = await office.planned(second)
    await office.take(unselectedStudentIds=[first])
    after = await office.planned(first)

    for absence_id in (before, after):
        assert (await revoke(office, absence_id)).json()["version"] == 2

    statuses = await office.api.statuses()
    assert (statuses[first], statuses[second]) == ("absent", None)
    again = await office.take()
    assert (again["addedJobs"], (await office.api.statuses())[second]) == (1, "present")


async def test_changing_an_absence_changes_its_records(office: Office) -> None:
    first = office.school.student_ids[0]
    absence_id = await office.planned(first)
    await office.take()

    changed = await change(office, absence_id, status="late", reason="train")
    moved = await change(office, absence_id, '"2"', **{"from": "2024-12-26", "to": "2024-12-26", "status": None})

    assert (changed.json()["status"], changed.headers["etag"]) == ("late", '"2"')
    assert (moved.json()["from"], moved.json()["status"]) == ("2024-12-26", "late")
    assert (await office.record(first))["status"] == "excused", "what it said before that change"
    history = (await office.api.get(f"/absences/{absence_id}/history")).json()["items"]
    assert [version["said"]["status"] for version in history] == ["late", "late", "excused"]
    assert history[0]["changedByRole"] == "office"


async def test_another_absence_of_the_same_student_keeps_its_records(office: Office) -> None:
    first = office.school.student_ids[0]
    await office.take()
    await office.planned(first)

    assert (await office.enter(first, status="late")).json()["correctedRecords"] == 0

    assert (await office.api.statuses())[first] == "excused"


async def test_changing_an_absence_needs_its_current_version(office: Office) -> None:
    absence_id = await office.planned(office.school.student_ids[0])
    await change(office, absence_id, reason="dentist")

    stale = await change(office, absence_id, reason="x")
    same = await change(office, absence_id, reason="dentist")

    assert (stale.status_code, stale.json()["params"]["current"]["reason"]) == (
        HTTPStatus.PRECONDITION_FAILED,
        "dentist",
    )
    assert same.json()["version"] == 2
    assert (await change(office, absence_id, None)).status_code == HTTPStatus.PRECONDITION_REQUIRED


@pytest.mark.parametrize("is_taken_first", [True, False])
async def test_a_record_that_an_absence_releases_gets_the_mark_of_another_one_that_applies(
    office: Office, is_taken_first: bool
) -> None:
    student = office.school.student_ids[0]
    if is_taken_first:
        await office.take()
    first = await office.planned(student, status="excused")
    second = await office.planned(student, status="absent", reason="flu")
    if not is_taken_first:
        first, second = second, first  # registers record the mark of the absence that was entered last
        await office.take()

    await revoke(office, first)
    record = await office.record(student)
    assert (record["absenceId"], record["status"]) == (second, "absent" if is_taken_first else "excused")

    await revoke(office, second)
    record = await office.record(student)
    assert (record["absenceId"], record["status"]) == (None, "present" if is_taken_first else None)


async def test_a_revoked_absence_is_revoked_once_and_cannot_be_changed(office: Office) -> None:
    absence_id = await office.planned(office.school.student_ids[0])
    await revoke(office, absence_id)

    assert (await revoke(office, absence_id)).json()["version"] == 2
    assert violations(await change(office, absence_id, '"2"', reason="x")) == {("/id", "absence_revoked")}
    assert (await office.api.get("/absences")).json()["items"] == []
    assert len((await office.api.get("/absences", revoked=True)).json()["items"]) == 1


async def test_all_violations_are_reported_and_no_absence_is_entered(office: Office) -> None:
    async with office.adsum.database.transaction() as connection:
        elsewhere = await make_student(connection, await make_bare_school(connection, name="Ahorn"))

    wrong = await office.enter(
        office.school.student_ids[0], elsewhere, 999, status="ill", sessionIds=[5, 77], to="2024-12-01"
    )

    assert violations(wrong) == {
        ("/studentIds/1", "unknown_student"),
        ("/studentIds/2", "unknown_student"),
        ("/sessionIds/0", "unknown_session"),
        ("/sessionIds/1", "unknown_session"),
        ("/status", "unknown_status"),
        ("/to", "days_reversed"),
    }
    assert (await office.api.get("/absences")).json()["items"] == []


async def test_a_repeated_student_and_students_of_several_schools_are_refused(office: Office) -> None:
    first = office.school.student_ids[0]
    async with office.adsum.database.transaction() as connection:
        elsewhere = await make_student(connection, await make_bare_school(connection, name="Ahorn"))

    assert violations(await office.enter(first, first)) == {("/studentIds", "student_repeated")}
    absence = Absence(date(2024, 12, 24), date(2024, 12, 24), "excused", reason="doctor")
    with pytest.raises(Invalid) as refused:
        await office.adsum.absences.add([first, elsewhere], absence, system_caller())
    assert [violation.code for violation in refused.value.violations] == ["several_schools"]


@pytest.mark.parametrize("role", ["teacher", "viewer", "operator"])
async def test_only_the_office_reads_and_enters_absences(office: Office, role: str) -> None:
    absence_id = await office.planned(office.school.student_ids[0])

    assert (await office.enter(office.school.student_ids[0], role=role)).status_code == HTTPStatus.FORBIDDEN
    for path in ("/absences", f"/absences/{absence_id}"):
        assert (await office.api.get(path, role)).status_code == HTTPStatus.FORBIDDEN


async def test_absences_are_listed_by_school_class_student_and_days(office: Office) -> None:
    first, second, _ = office.school.student_ids
    await office.planned(first, second)
    later = await office.planned(first, **{"from": "2025-01-07", "to": "2025-01-09"})

    async def listed(**query: Any) -> list[int]:
        return [item["id"] for item in (await office.api.get("/absences", **query)).json()["items"]]

    assert (await listed())[0] == later
    assert len(await listed(studentId=second)) == 1
    assert await listed(classId=office.school.class_id, **{"from": "2025-01-09"}) == [later]
    assert len(await listed(schoolId=office.school.school_id, to=DAY)) == 2
    page = (await office.api.get("/absences", limit=1)).json()
    assert len((await office.api.get("/absences", cursor=page["nextCursor"])).json()["items"]) == 2
    assert (await office.api.get(f"/absences/{later}")).headers["etag"] == '"1"'
    assert (await office.api.get("/absences/999999")).status_code == HTTPStatus.NOT_FOUND


async def test_the_same_absence_twice_is_one(office: Office) -> None:
    first, second, third = office.school.student_ids
    entered = await office.enter(first, second)
    again = await office.enter(second, first)
    extended = await office.enter(first, third)
    other = await office.enter(first, reason="dentist")

    assert [each.status_code for each in (entered, again, extended, other)] == [201, 200, 201, 201]
    ids = {each["studentId"]: each["id"] for each in entered.json()["items"]}
    assert [each["id"] for each in again.json()["items"]] == [ids[second], ids[first]]
    assert extended.json()["items"][0]["id"] == ids[first]
    assert other.json()["items"][0]["id"] != ids[first]
    await revoke(office, ids[second])
    assert (await office.enter(second)).status_code == HTTPStatus.CREATED


async def test_of_the_same_absence_entered_at_once_one_is_stored(office: Office) -> None:
    async with office.adsum.database.transaction() as connection:
        # No fence of a session serialises the requests.
        student = await make_student(connection, office.school.school_id)
    answers = await asyncio.gather(*(office.enter(student) for _ in range(8)))

    assert sorted(each.status_code for each in answers) == [*[200] * 7, 201]
    assert len({each.json()["items"][0]["id"] for each in answers}) == 1
    assert len((await office.api.get("/absences", studentId=student)).json()["items"]) == 1


async def test_the_order_of_sessions_makes_no_other_absence(office: Office) -> None:
    first = office.school.student_ids[0]
    async with office.adsum.database.transaction() as connection:
        other = await make_session(connection, office.school.class_id, period="2")
    sessions = [office.school.session_id, other]
    entered = await office.enter(first, sessionIds=sessions)
    again = await office.enter(first, sessionIds=sessions[::-1])
    assert (again.status_code, again.json()["items"]) == (200, entered.json()["items"])
    changed = await change(office, entered.json()["items"][0]["id"], sessionIds=sessions[::-1])
    assert changed.json()["version"] == 1
    assert (await office.enter(first, sessionIds=sessions[:1])).status_code == 201
    assert (await office.enter(first)).status_code == 201


async def test_an_absence_between_all_sessions_is_entered_with_a_warning(office: Office) -> None:
    first, second, third = office.school.student_ids
    session_id = office.school.session_id
    async with office.adsum.database.transaction() as connection:
        await give_times(connection, {session_id: [SessionTime(3, "08:00", "09:30")]})
    noon, early = {"fromTime": "12:00", "toTime": "13:00"}, {"fromTime": "09:00", "toTime": "13:00"}

    (warning,) = (await office.enter(first, **noon)).json()["warnings"]

    assert (warning["code"], warning["sessionIds"]) == ("no_session_meets", [session_id])
    assert "between 12:00 and 13:00" in warning["detail"]
    assert (await office.enter(first, **early)).json()["warnings"] == []
    listed = (await office.api.get("/absences", studentId=first)).json()["items"]
    assert [(each["fromTime"], each["warnings"]) for each in listed] == [("09:00", []), ("12:00", [warning])]
    shown = await office.api.get(f"/absences/{listed[1]['id']}")
    assert shown.json()["warnings"] == [warning]
    await revoke(office, listed[1]["id"])
    assert (await office.api.get(f"/absences/{listed[1]['id']}")).json()["warnings"] == []
    named = await office.enter(second, sessionIds=[session_id], **noon)
    assert [each["code"] for each in named.json()["warnings"]] == ["no_session_meets"]
    # The session meets on Wednesdays.
    other_day = await office.enter(third, **{"from": "2024-12-26", "to": "2024-12-27"}, **early)
    assert [each["code"] for each in other_day.json()["warnings"]] == ["no_session_meets"]
    week = await office.enter(third, **{"from": "2024-12-26", "to": "2025-01-02"}, **early)
    assert week.json()["warnings"] == []


async def test_an_absence_of_some_hours_names_the_sessions_that_it_does_not_concern(office: Office) -> None:
    first, second, _ = office.school.student_ids
    hours = {"fromTime": "08:00", "toTime": "18:00"}
    part = await office.enter(first, **hours)
    (warning,) = part.json()["warnings"]
    narrowed = await office.enter(second, sessionIds=[office.school.session_id], **hours)
    await office.take()

    assert (warning["code"], warning["sessionIds"]) == ("sessions_without_times", [office.school.session_id])
    assert str(office.school.session_id) in warning["detail"]
    assert narrowed.json()["warnings"] == (await office.enter(first)).json()["warnings"] == []
    changed = await change(office, part.json()["items"][0]["id"], reason="dentist")
    assert changed.json()["warnings"] == [warning]
    statuses = await office.api.statuses()
    assert statuses[second] == "excused"


async def test_an_absence_of_some_hours_warns_of_no_session_with_times(office: Office) -> None:
    async with office.adsum.database.transaction() as connection:
        await give_times(connection, {office.school.session_id: [SessionTime(3, "09:00", "10:00")]})
    answer = await office.enter(office.school.student_ids[0], fromTime="08:00", toTime="09:30")
    assert answer.json()["warnings"] == []
