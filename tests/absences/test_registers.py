"""What registers make of what is known beforehand, and whose mark stands."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from adsum.accounts.access import system_caller
from adsum.attendance.disputed_marks.service import Holds
from adsum.platform.errors import Invalid, StaleVersion
from adsum.roster.timetable.repository import replace_times
from adsum.schools.calendar.rules import SessionTime
from tests.absences.conftest import Office
from tests.support.api import DAY, violations


async def test_nothing_is_recorded_until_a_register_is_taken_which_then_says_it(office: Office) -> None:
    away, *others = office.school.student_ids
    absence_id = await office.known(away)
    assert (await office.api.statuses()) == {}

    taken = await office.take()

    assert (taken["addedJobs"], taken["conflicts"]) == (3, [])
    assert await office.api.statuses() == {away: "excused", **dict.fromkeys(others, "present")}
    assert (await office.record(away))["absenceId"] == absence_id
    assert await office.contradictions() == []


async def test_a_session_of_another_hour_is_not_concerned(office: Office) -> None:
    away = office.school.student_ids[0]
    async with office.adsum.database.transaction() as connection:
        await replace_times(connection, {office.school.session_id: [SessionTime(3, "08:00", "09:00")]})
    await office.known(away, fromTime="09:00", toTime="12:00")
    await office.known(away, sessionIds=[office.school.session_id], status="late")

    await office.take()

    assert (await office.api.statuses())[away] == "late"


async def test_a_teachers_present_on_purpose_is_kept_beside_it_and_shown_to_both(office: Office) -> None:
    away = office.school.student_ids[0]
    await office.known(away)

    await office.take(marks=[{"studentId": away, "status": "late", "note": "came at ten"}])

    for role in ("office", "teacher"):
        (told,) = await office.contradictions(role, classId=office.school.class_id)
        assert (told["recorded"], told["said"], told["saidNote"]) == ("excused", "late", "came at ten")
        beside = (await office.record(away, role))["contradiction"]
        assert (beside["status"], beside["saidByRole"]) == ("late", "teacher")
    assert await office.contradictions(studentId=office.school.student_ids[1]) == []


async def test_what_was_said_in_class_holds_when_the_office_says_so(office: Office) -> None:
    away = office.school.student_ids[0]
    await office.known(away)
    await office.take(marks=[{"studentId": away, "status": "late"}])
    (told,) = await office.contradictions()
    path = f"/contradictions/{told['id']}/settle"
    assert (await office.api.post(path, {"holds": "said"}, "teacher")).status_code == HTTPStatus.FORBIDDEN

    settled = await office.api.post(path, {"holds": "said", "reason": "seen at the gate"}, "office")

    assert (settled.json()["status"], settled.json()["version"]) == ("late", 2)
    assert await office.contradictions() == []
    assert (await office.api.post(path, {"holds": "said"}, "office")).status_code == HTTPStatus.NOT_FOUND


async def test_what_is_recorded_holds_and_leaves_no_trace_in_the_record(office: Office) -> None:
    away = office.school.student_ids[0]
    await office.known(away)
    await office.take(marks=[{"studentId": away, "status": "present", "note": "here!"}])
    (told,) = await office.contradictions()
    path = f"/contradictions/{told['id']}/settle"

    settled = await office.api.post(path, {"holds": "recorded"}, "office")

    assert (settled.json()["status"], settled.json()["version"]) == ("excused", 1)
    assert (await office.record(away))["contradiction"] is None


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


async def test_a_teachers_correction_of_the_offices_mark_waits_beside_it(office: Office) -> None:
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


async def test_a_note_beside_the_same_status_waits_too(office: Office) -> None:
    await office.take("office")
    record = await office.record(office.school.student_ids[0])
    path = f"/attendances/{record['id']}"

    answer = await office.api.change("PATCH", path, "teacher", '"1"', json={"note": "bus"})

    beside = answer.json()["contradiction"]
    assert (answer.json()["note"], beside["status"], beside["note"]) == (None, "present", "bus")
    settled = await office.api.post(f"/contradictions/{beside['contradictionId']}/settle", {"holds": "said"}, "office")
    assert (settled.json()["status"], settled.json()["note"]) == ("present", "bus")


async def test_a_teacher_does_not_undo_what_the_office_has_marked(office: Office) -> None:
    taken = await office.take("office")
    path = f"/attendances/batches/{taken['batchId']}/undo"

    undone = await office.api.post(path, None, "teacher")

    assert (undone.json()["undone"], len(undone.json()["kept"])) == (0, 3)
    assert (await office.api.post(path, None, "office")).json()["undone"] == 3


async def test_a_list_of_contradictions_is_read_page_by_page(office: Office) -> None:
    await office.take("office")
    marks = [{"studentId": student, "status": "late"} for student in office.school.student_ids]
    await office.take(marks=marks)

    first = (await office.api.get("/contradictions", limit=2, **{"from": DAY, "to": DAY})).json()
    query = {"from": DAY, "to": DAY, "cursor": first["nextCursor"]}
    second = (await office.api.get("/contradictions", limit=2, **query)).json()

    assert [len(first["items"]), len(second["items"]), second["nextCursor"]] == [2, 1, None]
    assert violations(await office.api.get("/contradictions", cursor="x")) == {("/query/cursor", "wrong_cursor")}
    other = (await office.api.get("/contradictions", schoolId=office.school.school_id + 1)).json()
    assert other["items"] == []


async def test_a_reason_that_cannot_be_kept_and_a_version_that_is_not_seen_settle_nothing(office: Office) -> None:
    away = office.school.student_ids[0]
    await office.known(away)
    await office.take(marks=[{"studentId": away, "status": "late"}])
    (told,) = await office.contradictions()

    with pytest.raises(Invalid, match="reason"):
        await office.adsum.contradictions.settle(told["id"], Holds.SAID, "x" * 501, system_caller())
    with pytest.raises(StaleVersion):
        await office.adsum.contradictions.settle(told["id"], Holds.SAID, None, system_caller(), version=9)

    assert len(await office.contradictions()) == 1


async def test_the_roster_says_beforehand_what_a_register_will_say(office: Office) -> None:
    away, *others = office.school.student_ids
    await office.known(away)
    path = f"/classes/{office.school.class_id}/roster"

    roster = await office.api.get(path, "teacher", date=DAY, sessionId=office.school.session_id)
    wrong = await office.api.get(path, "teacher", date=DAY, sessionId=999)

    assert {each["studentId"]: each["knownStatus"] for each in roster.json()["items"]} == {
        away: "excused",
        **dict.fromkeys(others),
    }
    assert violations(wrong) == {("/query/sessionId", "session_not_of_class")}
