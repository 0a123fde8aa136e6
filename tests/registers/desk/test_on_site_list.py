"""The on-site list after late arrivals and early departures, while registers are being saved."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any

import pytest

from adsum.absences.apply import DueAbsences
from adsum.absences.service import Absences
from adsum.accounts.access import Caller, Role
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.service import AttendancesService
from adsum.platform.clock import system_clock
from adsum.platform.errors import Unavailable
from adsum.platform.ids import Batch
from adsum.registers.on_site.service import OnSite
from tests.absences.conftest import Office
from tests.registers.desk.entering import enter, marks, settled
from tests.support.api import DAY
from tests.support.installation import ended
from tests.support.schools import caller

ON_SITE, UNKNOWN, AWAY = "on site", "unknown", "away"


async def place(office: Office, time: str, actor: Caller | None = None) -> str:
    """The place of the first student by the lists of a time of the day."""
    hour, minute = map(int, time.split(":"))
    on_site = OnSite(office.adsum.database, lambda: datetime(2024, 12, 25, hour, minute, tzinfo=UTC))
    school_id, student = office.school.school_id, office.school.student_ids[0]
    everybody = await on_site.everybody(school_id, actor or caller(Role.OFFICE, school_id))
    if student in {each.student_id for each in everybody.on_site}:
        return ON_SITE
    return UNKNOWN if student in {each.student_id for each in everybody.unknown} else AWAY


async def of_session(office: Office, session_id: int) -> dict[str, Any]:
    """The fields of a request for the register of a session."""
    actor, day = caller(Role.OFFICE, office.school.school_id), date.fromisoformat(DAY)
    sessions = (await office.adsum.desk.student_day(office.school.student_ids[0], actor, day=day)).sessions
    (class_id,) = (each.class_id for each in sessions if each.session_id == session_id)
    return {"sessionId": session_id, "classId": class_id}


async def batch_id(office: Office, **fields: Any) -> str:
    """The batch of a session on the day; by default that of the teacher's."""
    of = {"sessionId": office.school.session_id, "classId": office.school.class_id} | fields
    return Batch(of["classId"], of["sessionId"], date.fromisoformat(DAY)).id


async def undo(office: Office, entry: dict[str, Any]) -> None:
    answer = await office.api.post(f"/desk-entries/{entry['id']}/undo", {}, "office")
    assert answer.is_success, answer.text


async def test_a_departure_waits_for_the_office_s_register_of_a_later_session_that_is_being_saved(
    office: Office, lessons: list[int]
) -> None:
    later = await of_session(office, lessons[3])
    being_saved = (await office.api.create("office", **later)).json()
    busy = await enter(office, "departure", "09:20")
    assert (busy.status_code, busy.json()["code"]) == (HTTPStatus.CONFLICT, BatchIsOpen.code)
    async with office.worker():
        await ended(office.adsum, being_saved["batchId"])
    await settled(office, (await enter(office, "departure", "09:20")).json())
    assert (await marks(office))[lessons[3]][0] == "excused"
    assert await place(office, "12:00") == AWAY


async def test_a_register_that_the_office_submits_during_a_departure_leaves_nobody_on_site(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    later, preview = await of_session(office, lessons[3]), AttendancesService.preview_batches

    async def submit_after(*args: Any) -> Any:
        outcomes = await preview(*args)
        assert (await office.api.create("office", **later)).is_success
        return outcomes

    monkeypatch.setattr(AttendancesService, "preview_batches", submit_after)
    async with office.worker():
        entered = (await enter(office, "departure", "09:20")).json()
        for run in entered["runs"]:
            await ended(office.adsum, run["batchId"])
    assert await place(office, "12:00") == AWAY
    assert (await marks(office))[lessons[3]][0] == "excused"
    await undo(office, entered)
    assert (await marks(office))[lessons[3]][0] == "present"
    assert await place(office, "12:00") == ON_SITE


async def test_a_departure_after_the_last_session_takes_the_student_off_the_list(
    office: Office, lessons: list[int]
) -> None:
    for session_id in lessons:
        await office.take("office", **await of_session(office, session_id))
    assert await place(office, "15:30") == ON_SITE
    entered = await enter(office, "departure", "15:20", reason="bus home")
    assert entered.status_code == HTTPStatus.CREATED, entered.text
    assert (await place(office, "15:19"), await place(office, "15:20")) == (ON_SITE, AWAY)
    assert await marks(office) == dict.fromkeys(lessons, ("present", None, None))
    await undo(office, entered.json())
    assert await place(office, "15:30") == ON_SITE


async def test_a_student_is_on_site_from_an_arrival_in_a_break_until_the_next_register_says_otherwise(
    office: Office, lessons: list[int]
) -> None:
    assert await place(office, "09:50") == UNKNOWN
    entered = (await enter(office, "arrival", "09:50")).json()
    assert await place(office, "09:50") == ON_SITE, "before its marks are recorded"
    await settled(office, entered)
    assert {status for status, *_ in (await marks(office)).values()} == {"absent"}
    assert await place(office, "09:50") == ON_SITE
    student = office.school.student_ids[0]
    await office.take("office", **await of_session(office, lessons[2]), unselectedStudentIds=[student])
    assert (await place(office, "09:59"), await place(office, "10:00")) == (ON_SITE, AWAY)


async def test_an_arrival_after_authorised_absences_is_entered_although_no_register_changes(
    office: Office, lessons: list[int]
) -> None:
    student = office.school.student_ids[0]
    await office.planned(student, sessionIds=lessons[:2])
    for session_id in lessons[:2]:
        await office.take("office", **await of_session(office, session_id))
    assert await place(office, "09:50") == AWAY
    entered = await enter(office, "arrival", "09:50", reason="back from the doctor")
    assert (entered.status_code, entered.json()["runs"]) == (HTTPStatus.CREATED, [])
    assert await place(office, "09:50") == ON_SITE
    again = await enter(office, "arrival", "09:55", reason="once more")
    assert again.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    await undo(office, entered.json())
    assert await place(office, "09:50") == AWAY


async def test_a_departure_after_the_office_has_corrected_an_earlier_one_takes_the_student_off_the_list(
    office: Office, lessons: list[int]
) -> None:
    for session_id in lessons:
        await office.take("office", **await of_session(office, session_id))
    await settled(office, (await enter(office, "departure", "11:20")).json())
    items = (await office.api.get("/attendances", studentId=office.school.student_ids[0])).json()["items"]
    (record,) = [each for each in items if each["sessionId"] == lessons[3]]
    body = {"status": "present", "leftAt": None, "reason": "stayed"}
    path, version = f"/attendances/{record['id']}", f'"{record["version"]}"'
    assert (await office.api.change("PATCH", path, "office", version, json=body)).is_success
    assert await place(office, "11:50") == ON_SITE
    left = await enter(office, "departure", "11:50", reason="home")
    assert left.status_code == HTTPStatus.CREATED, left.text
    assert (await place(office, "11:49"), await place(office, "11:50")) == (ON_SITE, AWAY)


async def test_a_mark_that_is_made_in_advance_does_not_outrank_an_absence_from_the_running_session(
    office: Office, lessons: list[int]
) -> None:
    student = office.school.student_ids[0]
    await office.take("office", **await of_session(office, lessons[3]))
    assert await place(office, "09:30") == ON_SITE, "no session that has begun has a mark"
    await office.take("office", **await of_session(office, lessons[1]), unselectedStudentIds=[student])
    assert {time: await place(office, time) for time in ("08:30", "09:30", "10:59", "11:00")} == {
        "08:30": ON_SITE,
        "09:30": AWAY,
        "10:59": AWAY,
        "11:00": ON_SITE,
    }


async def test_a_departure_that_is_entered_ahead_takes_the_student_off_the_list_at_its_time(
    office: Office, lessons: list[int]
) -> None:
    await office.take()
    await settled(office, (await enter(office, "departure", "10:20")).json())
    assert await marks(office) == {lessons[0]: ("present", None, None), lessons[2]: ("present", None, "10:20")}
    times = {time: await place(office, time) for time in ("08:30", "09:10", "10:10", "10:19", "10:20", "11:30")}
    assert times == {
        **dict.fromkeys(("08:30", "09:10", "10:10", "10:19"), ON_SITE),
        **dict.fromkeys(("10:20", "11:30"), AWAY),
    }


async def test_a_mark_of_a_teacher_after_a_departure_does_not_bring_the_student_back_but_the_office_s_does(
    office: Office, lessons: list[int]
) -> None:
    await settled(office, (await enter(office, "departure", "08:30")).json())
    student = office.school.student_ids[0]
    of_second = await of_session(office, lessons[1])
    await office.take(isSelectedAll=False, selectedStudentIds=[student])
    assert await place(office, "09:30") == AWAY
    explicit = {"isSelectedAll": False, "selectedStudentIds": [student]}
    await office.take("office", **of_second, **explicit)
    assert await place(office, "09:30") == ON_SITE


async def test_while_an_entry_is_incomplete_it_decides(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outage(*_: object, **__: object) -> Any:
        raise Unavailable("the database is unavailable")

    await office.take()
    with monkeypatch.context() as patches:
        patches.setattr(Absences, "add", outage)
        assert (await enter(office, "departure", "08:50")).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    await office.take("office", **await of_session(office, lessons[1]))
    assert await place(office, "09:30") == AWAY
    await settled(office, (await enter(office, "departure", "08:50")).json())
    assert (await marks(office))[lessons[1]][0] == "excused"
    assert await place(office, "09:30") == AWAY


@pytest.mark.parametrize("undone_first", ["the earlier one", "the later one"])
async def test_a_departure_whose_time_is_corrected_stays_when_the_wrong_one_is_undone(
    office: Office, lessons: list[int], undone_first: str
) -> None:
    await office.take()
    early = (await enter(office, "departure", "07:50")).json()
    late = (await enter(office, "departure", "07:55")).json()
    wrong, other = (early, late) if undone_first == "the earlier one" else (late, early)
    await undo(office, wrong)
    assert (await marks(office))[lessons[0]][0] == "excused"
    assert await place(office, "08:30") == AWAY
    await undo(office, other)
    assert await marks(office) == {lessons[0]: ("present", None, None)}
    assert await place(office, "08:30") == ON_SITE


@pytest.mark.parametrize("back_at", ["09:50", "10:10"])
async def test_a_student_who_comes_back_is_expected_again_until_the_return_is_undone(
    office: Office, lessons: list[int], back_at: str
) -> None:
    _, second, third, fourth = lessons
    left = (await enter(office, "departure", "09:20", reason="dentist")).json()
    await settled(office, left)
    assert await place(office, "09:40") == AWAY
    returned = (await enter(office, "arrival", back_at, reason="back")).json()
    await settled(office, returned)
    for session_id in (third, fourth):
        await office.take("office", **await of_session(office, session_id))
    expected = ("late", "10:10", None) if back_at == "10:10" else ("present", None, None)
    left_at = {second: ("present", None, "09:20")}
    assert await marks(office) == left_at | {third: expected, fourth: ("present", None, None)}
    assert [await place(office, time) for time in (back_at, "11:30")] == [ON_SITE, ON_SITE]

    await undo(office, returned)
    (departure,) = [
        each for each in (await office.api.get("/desk-entries")).json()["items"] if each["id"] == left["id"]
    ]
    absence = (await office.api.get(f"/absences/{departure['absenceId']}")).json()
    assert (absence["sessionIds"], absence["revokedAt"], absence["reason"]) == ([third, fourth], None, "dentist")
    await undo(office, left)
    assert (await office.api.get(f"/absences/{absence['id']}")).json()["revokedAt"] is not None


async def test_students_leave_and_come_back_several_times(office: Office, lessons: list[int]) -> None:
    for session_id in lessons[:3]:
        await office.take("office", **await of_session(office, session_id))
    entries: dict[str, dict[str, Any]] = {}
    for kind, time in (
        ("departure", "09:20"),
        ("arrival", "10:10"),
        ("departure", "10:30"),
        ("arrival", "10:40"),
        ("departure", "15:20"),
        ("arrival", "15:30"),
    ):
        entered = await enter(office, kind, time, reason=f"{kind} at {time}")
        assert entered.status_code == HTTPStatus.CREATED, entered.text
        entries[time] = entered.json()
        await settled(office, entries[time])
        if time == "10:40":
            await office.take("office", **await of_session(office, lessons[3]))
    assert (await marks(office))[lessons[3]] == ("present", None, None)
    assert {time: await place(office, time) for time in ("15:10", "15:20", "15:30")} == {
        "15:10": ON_SITE,
        "15:20": AWAY,
        "15:30": ON_SITE,
    }
    await undo(office, entries["15:30"])
    assert await place(office, "15:40") == AWAY
    await undo(office, entries["15:20"])
    assert await place(office, "15:40") == ON_SITE


@pytest.mark.every_case
@pytest.mark.parametrize("begins_with", range(5))
async def test_registers_and_plans_that_are_sent_at_the_same_moment_leave_nobody_on_site(
    office: Office, lessons: list[int], begins_with: int
) -> None:
    student, actor = office.school.student_ids[0], caller(Role.OFFICE, office.school.school_id)
    planned = await office.planned(student, sessionIds=lessons[2:3], reason="dentist")
    second, third, fourth = [await of_session(office, each) for each in lessons[1:]]
    entered: list[dict[str, Any]] = []

    async def depart() -> None:
        while not entered:
            answer = await enter(office, "departure", "07:50", reason="fever")
            assert answer.is_success or answer.json()["code"] == BatchIsOpen.code, answer.text
            entered.extend([answer.json()] if answer.is_success else [])

    requests: deque[Coroutine[Any, Any, Any]] = deque(
        [
            depart(),
            office.api.create("teacher"),
            office.api.create("office", **second),
            office.api.create("office", **third),
            office.adsum.absences.revoke(planned, None, actor),
        ]
    )
    requests.rotate(begins_with)
    async with office.worker():
        await asyncio.gather(*requests)
        for each in ({}, second, third):
            await ended(office.adsum, await batch_id(office, **each))
        assert await place(office, "12:00") == AWAY, (
            "also before the absence is applied to registers that were being saved"
        )
        await DueAbsences(office.adsum.database, system_clock).apply()
    assert await place(office, "12:00") == AWAY
    await office.take("office", **fourth)
    assert {mark[0] for mark in (await marks(office)).values()} == {"excused"}
    await undo(office, entered[0])
    # Unknown if all registers were accepted after the departure: their records never had another mark than its absence.
    assert await place(office, "09:30") in {ON_SITE, UNKNOWN}
