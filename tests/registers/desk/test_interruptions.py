"""Entries whose marks are interrupted are completed by the same entry, or undone whole."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Any

import pytest

from adsum.absences.service import AbsenceResult, Absences
from adsum.accounts.access import Caller, Role
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.errors import Invalid, Unavailable, Violation
from adsum.platform.ids import Batch
from adsum.registers.desk import completion
from tests.absences.conftest import Office
from tests.registers.desk.entering import enter, marks, settled
from tests.support.api import DAY, violations
from tests.support.installation import ended
from tests.support.pages import Pages, visible_text
from tests.support.schools import caller


async def test_an_entry_that_was_interrupted_is_completed_by_the_same_request_and_undone_whole(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = lessons
    create = AttendancesService.create_batch

    async def outage(self: AttendancesService, submission: Submission, actor: Caller) -> BatchResult:
        if submission.session_id == second:
            raise Unavailable("the database is unavailable")
        return await create(self, submission, actor)

    monkeypatch.setattr(AttendancesService, "create_batch", outage)
    body = {"kind": "arrival", "studentId": office.school.student_ids[0], "date": DAY, "time": "09:50", "reason": "bus"}
    headers = {"Idempotency-Key": "arrival-1"}
    failed = await office.api.post("/desk-entries", body, "office", headers=headers)
    assert failed.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    (pending,) = (await office.api.get("/desk-entries")).json()["items"]
    assert (pending["isComplete"], pending["runs"], pending["reason"]) == (False, [], "bus")
    pages = Pages(office.api)
    assert "Not complete" in visible_text(await pages.open(f"/desk?school={office.school.school_id}&date={DAY}"))

    monkeypatch.setattr(AttendancesService, "create_batch", create)
    again = await office.api.post("/desk-entries", body, "office", headers=headers)
    assert again.status_code == HTTPStatus.CREATED, again.text
    assert (again.json()["id"], again.json()["isComplete"]) == (pending["id"], True)
    assert len(again.json()["runs"]) == 2, "that of the first attempt, too"
    assert (await office.api.post("/desk-entries", body, "office", headers=headers)).json() == again.json()
    await settled(office, again.json())
    assert {session: mark[0] for session, mark in (await marks(office)).items()} == {first: "absent", second: "absent"}
    await office.api.post(f"/desk-entries/{pending['id']}/undo", {}, "office")
    assert {mark[0] for mark in (await marks(office)).values()} == {None}


async def test_a_mark_that_a_colleague_makes_during_an_interruption_is_not_of_the_entry(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outage(*_: object) -> BatchResult:
        raise Unavailable("the database is unavailable")

    with monkeypatch.context() as patches:
        patches.setattr(AttendancesService, "create_batch", outage)
        assert (await enter(office, "arrival", "08:50")).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    made = await office.api.create(isSelectedAll=False, unselectedStudentIds=[office.school.student_ids[0]])
    async with office.worker():
        await ended(office.adsum, made.json()["batchId"])

    completed = (await enter(office, "arrival", "08:50")).json()

    assert (completed["isComplete"], completed["runs"]) == (True, [])
    await office.api.post(f"/desk-entries/{completed['id']}/undo", {}, "office")
    assert (await marks(office))[lessons[0]][0] == "absent"


async def test_an_incomplete_entry_is_undone_by_somebody_else_without_what_can_no_longer_be_recorded(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, third = Absences.add, lessons[2]

    async def refused(*args: Any, **kwargs: Any) -> AbsenceResult:
        raise Invalid("no", [Violation("unknown_session", "no", "/sessionIds/0")])

    async def interrupted(*args: Any, **kwargs: Any) -> AbsenceResult:
        await add(*args, **kwargs)
        raise Unavailable("the answer was lost")

    student = office.school.student_ids[0]
    monkeypatch.setattr(Absences, "add", refused)
    wrong = await enter(office, "departure", "09:20")
    assert violations(wrong) == {("/date", "unknown_session")}
    (entry,) = (await office.api.get("/desk-entries")).json()["items"]
    admin = caller(Role.ADMIN)
    with pytest.raises(BatchIsOpen):
        await office.adsum.desk.undo(entry["id"], admin)
    (completed,) = (await office.api.get("/desk-entries")).json()["items"]
    assert (completed["isComplete"], completed["absenceId"], len(completed["runs"])) == (True, None, 1)
    await settled(office, completed)
    assert (await office.adsum.desk.undo(entry["id"], admin)).undone_at is not None

    monkeypatch.setattr(Absences, "add", interrupted)
    assert (await enter(office, "departure", "10:00")).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    monkeypatch.setattr(Absences, "add", add)
    retried = (await enter(office, "departure", "10:00")).json()
    (absence,) = (await office.api.get("/absences", studentId=student)).json()["items"]
    assert (retried["absenceId"], absence["sessionIds"]) == (absence["id"], [third, lessons[3]])


class Killed(BaseException):
    """The end of the process."""


async def complete(office: Office, entry_id: int, by: str) -> None:
    if by == "the same entry":
        await enter(office, "departure", "09:20")
    elif by == "its id":
        await office.api.post(f"/desk-entries/{entry_id}/complete", {}, "office")
    else:
        page = {"school": office.school.school_id, "date": DAY}
        completed = await Pages(office.api).send(f"/desk/{entry_id}/complete", page)
        assert completed.headers["location"].endswith(f"done=entered&entry={entry_id}")


@pytest.mark.parametrize("killed_at", ["before the mark", "before the absence", "before the end"])
@pytest.mark.parametrize("by", ["the same entry", "its id", "the page"])
async def test_an_entry_whose_process_is_killed_is_completed(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch, killed_at: str, by: str
) -> None:
    _, second, *later = lessons
    places: dict[str, tuple[Any, str]] = {
        "before the mark": (AttendancesService, "create_batch"),
        "before the absence": (Absences, "add"),
        "before the end": (completion, "set_complete"),
    }

    async def kill(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patches:
        patches.setattr(*places[killed_at], kill)
        with pytest.raises(Killed):
            await enter(office, "departure", "09:20")
    (pending,) = (await office.api.get("/desk-entries")).json()["items"]
    assert pending["isComplete"] is False

    await complete(office, pending["id"], by)
    (entered,) = (await office.api.get("/desk-entries")).json()["items"]

    assert (entered["id"], entered["isComplete"], len(entered["runs"])) == (pending["id"], True, 1)
    again = await office.api.post(f"/desk-entries/{entered['id']}/complete", {}, "office")
    assert again.json() == entered, "a complete entry stays as it is"
    (absence,) = (await office.api.get("/absences", studentId=office.school.student_ids[0])).json()["items"]
    assert (absence["id"], absence["sessionIds"]) == (entered["absenceId"], later)
    await settled(office, entered)
    assert await marks(office) == {second: ("present", None, "09:20")}
    await office.api.post(f"/desk-entries/{entered['id']}/undo", {}, "office")
    assert {mark[0] for mark in (await marks(office)).values()} == {None}
    assert (await office.api.get(f"/absences/{absence['id']}")).json()["revokedAt"] is not None


async def test_an_entry_that_can_no_longer_be_recorded_is_refused_and_undone(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outage(*_: object) -> BatchResult:
        raise Unavailable("the database is unavailable")

    with monkeypatch.context() as patches:
        patches.setattr(AttendancesService, "create_batch", outage)
        assert (await enter(office, "arrival", "08:50")).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    (pending,) = (await office.api.get("/desk-entries")).json()["items"]
    pages, page = Pages(office.api), {"school": office.school.school_id, "date": DAY}
    complete = f"/desk/{pending['id']}/complete"
    await office.api.create("teacher", isSelectedAll=True)
    assert (await pages.send(complete, page)).headers["location"].endswith("done=busy")
    async with office.worker():
        await ended(office.adsum, Batch(office.school.class_id, lessons[0], date.fromisoformat(DAY)).id)
    closed = {"from": DAY, "to": DAY, "reason": "snow"}
    await office.api.post(f"/schools/{office.school.school_id}/closed-days", closed, "office")
    assert (await pages.send(complete, page)).headers["location"].endswith("done=refused")
    refused = await pages.open(f"/desk?school={office.school.school_id}&date={DAY}&done=refused")
    assert "can no longer be recorded" in visible_text(refused)
    await office.api.post(f"/desk-entries/{pending['id']}/undo", {}, "office")
    (undone,) = (await office.api.get("/desk-entries")).json()["items"]
    assert (undone["undoneAt"] is None, undone["isComplete"], undone["runs"]) == (False, True, [])
    assert (await pages.send(complete, page)).headers["location"].endswith(f"entered&entry={pending['id']}")
