"""Registers with planned absences, and disputed marks."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from adsum.accounts.access import system_caller
from adsum.attendance.disputed_marks.rules import Holds
from adsum.platform.errors import Invalid, StaleVersion
from adsum.schools.calendar.rules import SessionTime
from tests.absences.conftest import Office
from tests.support.api import DAY, violations
from tests.support.schools import give_times


async def test_a_planned_absence_is_recorded_when_a_register_is_taken(office: Office) -> None:
    absentee, *others = office.school.student_ids
    absence_id = await office.planned(absentee)
    assert (await office.api.statuses()) == {}

    taken = await office.take()

    assert (taken["addedJobs"], taken["conflicts"]) == (3, [])
    assert await office.api.statuses() == {absentee: "excused", **dict.fromkeys(others, "present")}
    assert (await office.record(absentee))["absenceId"] == absence_id
    assert await office.contradictions() == []


async def test_an_absence_of_some_hours_does_not_apply_to_sessions_at_other_hours(office: Office) -> None:
    absentee = office.school.student_ids[0]
    async with office.adsum.database.transaction() as connection:
        await give_times(connection, {office.school.session_id: [SessionTime(3, "08:00", "09:00")]})
    await office.planned(absentee, fromTime="09:00", toTime="12:00")
    await office.planned(absentee, sessionIds=[office.school.session_id], status="late")

    await office.take()

    assert (await office.api.statuses())[absentee] == "late"


async def test_an_explicit_mark_of_a_teacher_is_stored_beside_the_absence_and_shown_to_both(office: Office) -> None:
    absentee = office.school.student_ids[0]
    await office.planned(absentee)

    await office.take(marks=[{"studentId": absentee, "status": "late", "note": "came at ten"}])

    for role in ("office", "teacher"):
        (dispute,) = await office.contradictions(role, classId=office.school.class_id)
        assert (dispute["recorded"], dispute["said"], dispute["saidNote"]) == ("excused", "late", "came at ten")
        disputed = (await office.record(absentee, role))["contradiction"]
        assert (disputed["status"], disputed["saidByRole"]) == ("late", "teacher")
    assert await office.contradictions(studentId=office.school.student_ids[1]) == []


async def test_the_office_lets_a_disputed_mark_hold(office: Office) -> None:
    absentee = office.school.student_ids[0]
    await office.planned(absentee)
    await office.take(marks=[{"studentId": absentee, "status": "late"}])
    (dispute,) = await office.contradictions()
    path = f"/contradictions/{dispute['id']}/settle"
    assert (await office.api.post(path, {"holds": "said"}, "teacher")).status_code == HTTPStatus.FORBIDDEN

    settled = await office.api.post(path, {"holds": "said", "reason": "seen at the gate"}, "office")

    assert (settled.json()["status"], settled.json()["version"]) == ("late", 2)
    assert await office.contradictions() == []
    assert (await office.api.post(path, {"holds": "said"}, "office")).status_code == HTTPStatus.NOT_FOUND


async def test_the_office_lets_the_recorded_mark_hold_and_the_record_stays_unchanged(office: Office) -> None:
    absentee = office.school.student_ids[0]
    await office.planned(absentee)
    await office.take(marks=[{"studentId": absentee, "status": "present", "note": "here!"}])
    (dispute,) = await office.contradictions()
    path = f"/contradictions/{dispute['id']}/settle"

    settled = await office.api.post(path, {"holds": "recorded"}, "office")

    assert (settled.json()["status"], settled.json()["version"]) == ("excused", 1)
    assert (await office.record(absentee))["contradiction"] is None


async def test_a_teacher_does_not_overwrite_the_offices_mark(office: Office) -> None:
    first, second, _ = office.school.student_ids
    await office.take("office", marks=[{"studentId": first, "status": "excused"}])

    taken = await office.take(
        onExisting="update",
        unselectedStudentIds=[second],
        marks=[{"studentId": first, "status": "late"}],
    )

    assert (taken["addedJobs"], taken["skippedJobs"]) == (0, 3)
    assert {each["studentId"] for each in taken["conflicts"]} == {first, second}
    assert await office.api.statuses() == {first: "excused", second: "present", office.school.student_ids[2]: "present"}
    assert {each["studentId"]: each["said"] for each in await office.contradictions()} == {
        first: "late",
        second: "absent",
    }


async def test_a_teachers_correction_of_the_offices_mark_becomes_a_disputed_mark(office: Office) -> None:
    first = office.school.student_ids[0]
    await office.take("office")
    record = await office.record(first)
    path = f"/attendances/{record['id']}"

    answer = await office.api.change("PATCH", path, "teacher", '"1"', json={"status": "late", "note": "bus"})
    cleared = await office.api.change("DELETE", path, "teacher", '"1"')

    assert (answer.json()["status"], answer.json()["version"]) == ("present", 1)
    assert answer.json()["contradiction"]["status"] == "late"
    assert cleared.status_code == HTTPStatus.FORBIDDEN
    assert cleared.json()["errors"][0]["code"] == "set_by_office"
    corrected = await office.api.change("PATCH", path, "office", '"1"', json={"status": "absent"})
    assert (corrected.json()["status"], corrected.json()["contradiction"]) == ("absent", None)


async def test_a_teachers_note_on_the_offices_mark_becomes_a_disputed_mark(office: Office) -> None:
    await office.take("office")
    record = await office.record(office.school.student_ids[0])
    path = f"/attendances/{record['id']}"

    answer = await office.api.change("PATCH", path, "teacher", '"1"', json={"note": "bus"})

    disputed = answer.json()["contradiction"]
    assert (answer.json()["note"], disputed["status"], disputed["note"]) == (None, "present", "bus")
    settled = await office.api.post(
        f"/contradictions/{disputed['contradictionId']}/settle", {"holds": "said"}, "office"
    )
    assert (settled.json()["status"], settled.json()["note"]) == ("present", "bus")


async def test_a_teacher_does_not_undo_the_offices_marks(office: Office) -> None:
    taken = await office.take("office")
    path = f"/attendances/batches/{taken['batchId']}/undo"

    undone = await office.api.post(path, None, "teacher")

    assert (undone.json()["undone"], len(undone.json()["kept"])) == (0, 3)
    assert (await office.api.post(path, None, "office")).json()["undone"] == 3


async def test_the_list_of_contradictions_is_paged_and_narrowed_to_a_school(office: Office) -> None:
    await office.take("office")
    marks = [{"studentId": student, "status": "late"} for student in office.school.student_ids]
    await office.take(marks=marks)

    first = (await office.api.get("/contradictions", limit=2, **{"from": DAY, "to": DAY})).json()
    query = {"from": DAY, "to": DAY, "cursor": first["nextCursor"]}
    second = (await office.api.get("/contradictions", limit=2, **query)).json()

    assert [len(first["items"]), len(second["items"]), second["nextCursor"]] == [2, 1, None]
    assert violations(await office.api.get("/contradictions", cursor="x")) == {("/query/cursor", "wrong_cursor")}
    of_school = await office.api.get("/contradictions", schoolId=office.school.school_id)
    assert len(of_school.json()["items"]) == 3


async def test_an_invalid_reason_and_a_stale_version_settle_nothing(office: Office) -> None:
    absentee = office.school.student_ids[0]
    await office.planned(absentee)
    await office.take(marks=[{"studentId": absentee, "status": "late"}])
    (dispute,) = await office.contradictions()

    with pytest.raises(Invalid, match="reason"):
        await office.adsum.disputed_marks.settle(dispute["id"], Holds.SAID, "x" * 501, system_caller())
    with pytest.raises(StaleVersion):
        await office.adsum.disputed_marks.settle(dispute["id"], Holds.SAID, None, system_caller(), version=9)

    assert len(await office.contradictions()) == 1


async def test_the_roster_shows_the_status_of_planned_absences(office: Office) -> None:
    absentee, *others = office.school.student_ids
    await office.planned(absentee)
    path = f"/classes/{office.school.class_id}/roster"

    roster = await office.api.get(path, "teacher", date=DAY, sessionId=office.school.session_id)
    wrong = await office.api.get(path, "teacher", date=DAY, sessionId=999)

    assert {each["studentId"]: each["knownStatus"] for each in roster.json()["items"]} == {
        absentee: "excused",
        **dict.fromkeys(others),
    }
    assert violations(wrong) == {("/query/sessionId", "session_not_of_class")}
