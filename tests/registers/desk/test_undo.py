"""Undos of arrivals and departures: the absence of a departure after several returns, and several undos at once."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy import delete

from adsum.absences.service import AbsenceResult, Absences
from adsum.absences.tables import absence_versions, absences, due_absences
from adsum.accounts.access import Role
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.undo import Undo
from adsum.platform.errors import Unavailable
from tests.absences.conftest import Office
from tests.registers.desk.entering import enter, marks, settled
from tests.registers.desk.test_on_site_list import ON_SITE, of_session, place, undo
from tests.support.api import DAY
from tests.support.pages import Pages, visible_text
from tests.support.schools import caller


async def entered(office: Office, kind: str, time: str, **fields: Any) -> dict[str, Any]:
    """An entry whose marks are recorded."""
    answer = await enter(office, kind, time, **{"reason": f"{kind} at {time}"} | fields)
    assert answer.status_code == HTTPStatus.CREATED, answer.text
    await settled(office, answer.json())
    return answer.json()


async def absent_from(office: Office) -> list[list[int]]:
    """The sessions of the planned absences of the first student that are not revoked."""
    items = (await office.api.get("/absences", studentId=office.school.student_ids[0])).json()["items"]
    return [each["sessionIds"] for each in items if each["revokedAt"] is None]


async def stored(office: Office, entry: dict[str, Any]) -> dict[str, Any]:
    items = (await office.api.get("/desk-entries")).json()["items"]
    (found,) = [each for each in items if each["id"] == entry["id"]]
    return found


async def add_status(office: Office, code: str) -> str:
    """Adds a status that counts as absent. Returns its path."""
    path = f"/schools/{office.school.school_id}/statuses"
    body = {"code": code, "label": code, "letter": "H", "countsAs": "absent"}
    assert (await office.api.post(path, body, "office")).is_success
    return f"{path}/{code}"


@pytest.mark.parametrize("wrong_at", ["10:10", "09:55"])
async def test_the_undo_of_a_second_arrival_keeps_the_return_before_it(
    office: Office, lessons: list[int], wrong_at: str
) -> None:
    await entered(office, "departure", "09:20")
    first = await entered(office, "arrival", "09:50")
    # In the break, it says nothing that the first one does not say.
    wrong = await enter(office, "arrival", wrong_at, reason="by mistake")
    if wrong_at == "09:55":
        assert wrong.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    else:
        await settled(office, wrong.json())
        await undo(office, wrong.json())
    assert await absent_from(office) == []
    for session_id in lessons[2:]:
        await office.take("office", **await of_session(office, session_id))
    assert await place(office, "11:30") == ON_SITE
    await undo(office, first)
    assert await absent_from(office) == [lessons[2:]]


async def test_the_undo_of_the_first_arrival_gives_the_sessions_before_the_second_back(
    office: Office, lessons: list[int]
) -> None:
    await entered(office, "departure", "09:20")
    wrong = await entered(office, "arrival", "09:50")
    right = await entered(office, "arrival", "10:50")
    await undo(office, wrong)
    assert await absent_from(office) == [[lessons[2]]]
    await undo(office, right)
    assert await absent_from(office) == [lessons[2:]]


async def test_the_undo_of_a_second_departure_and_its_return_leaves_the_first_ones(
    office: Office, lessons: list[int]
) -> None:
    await entered(office, "departure", "09:20")
    await entered(office, "arrival", "09:50")
    await office.take("office", **await of_session(office, lessons[2]))
    left_again = await entered(office, "departure", "10:30")
    back_again = await entered(office, "arrival", "10:50")
    await undo(office, back_again)
    assert await absent_from(office) == [[lessons[3]]], "of the second departure"
    await undo(office, left_again)
    assert await absent_from(office) == []
    await office.take("office", **await of_session(office, lessons[3]))
    assert (await marks(office))[lessons[3]][0] == "present"
    assert await place(office, "11:30") == ON_SITE


async def test_two_undos_at_once_end_at_the_mark_before_both(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await office.take("office")
    entries = [await entered(office, "departure", time, status=status) for time, status in DEPARTURES]
    both_have_read, revert = asyncio.Barrier(2), Undo.undo

    async def at_once(*args: Any, **kwargs: Any) -> Any:
        await both_have_read.wait()
        return await revert(*args, **kwargs)

    monkeypatch.setattr(Undo, "undo", at_once)
    await asyncio.gather(*[undo(office, each) for each in entries])
    assert await marks(office) == {lessons[0]: ("present", None, None)}
    assert await absent_from(office) == []


DEPARTURES = [("07:50", "absent"), ("07:55", "excused")]


async def test_an_undo_that_is_interrupted_is_completed_by_the_same_request(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def outage(*_: object, **__: object) -> Any:
        raise Unavailable("the database is unavailable")

    left = await entered(office, "departure", "09:20")
    path, page = f"/desk-entries/{left['id']}/undo", f"/desk?school={office.school.school_id}&date={DAY}"
    with monkeypatch.context() as patches:
        patches.setattr(Absences, "revoke", outage)
        assert (await office.api.post(path, {}, "office")).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    begun = await stored(office, left)
    assert (begun["undoneAt"] is None, begun["isComplete"]) == (False, False)
    text = visible_text(await Pages(office.api).open(page))
    assert "Not complete" in text
    assert "Complete:" not in text
    assert (await office.api.post(f"/desk-entries/{left['id']}/complete", {}, "office")).json() == begun
    await undo(office, left)
    assert await stored(office, left) == begun | {"isComplete": True}
    assert await absent_from(office) == []
    assert (await marks(office))[lessons[1]][0] is None


async def test_an_entry_whose_register_is_being_saved_is_not_undone(office: Office, lessons: list[int]) -> None:
    left = await entered(office, "departure", "09:20")
    second = await of_session(office, lessons[1])
    await office.api.create("office", **second)
    refused = await office.api.post(f"/desk-entries/{left['id']}/undo", {}, "office")
    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.CONFLICT, BatchIsOpen.code)
    assert await stored(office, left) == left


async def test_an_entry_that_is_erased_while_it_is_undone_is_not_found(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = await entered(office, "departure", "09:20")
    begin = type(office.adsum.desk)._begin_undo  # pyright: ignore[reportPrivateUsage]

    async def after_erasure(*args: Any) -> Any:
        await office.adsum.student_data.erase(office.school.student_ids[0], caller(Role.ADMIN))
        return await begin(*args)

    monkeypatch.setattr(type(office.adsum.desk), "_begin_undo", after_erasure)
    answer = await office.api.post(f"/desk-entries/{left['id']}/undo", {}, "office")
    assert answer.status_code == HTTPStatus.NOT_FOUND
    assert len(lessons) > 0


def undo_before_the_next_absence(office: Office, entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes an entry at the moment at which another undo adds an absence."""
    add = Absences.add

    async def add_after_undo(*args: Any, **kwargs: Any) -> AbsenceResult:
        monkeypatch.setattr(Absences, "add", add)
        await undo(office, entry)
        return await add(*args, **kwargs)

    monkeypatch.setattr(Absences, "add", add_after_undo)


async def test_a_departure_that_is_undone_while_its_return_is_gets_no_absence_back(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = await entered(office, "departure", "09:20")
    back = await entered(office, "arrival", "09:50")
    undo_before_the_next_absence(office, left, monkeypatch)
    await undo(office, back)
    assert await absent_from(office) == []
    assert (await stored(office, back))["isComplete"]
    assert len(lessons) > 0


async def test_two_arrivals_that_are_undone_at_once_give_one_absence_back(
    office: Office, lessons: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await entered(office, "departure", "09:20")
    first = await entered(office, "arrival", "09:50")
    second = await entered(office, "arrival", "10:50")
    undo_before_the_next_absence(office, second, monkeypatch)
    await undo(office, first)
    assert await absent_from(office) == [lessons[2:]]


@pytest.mark.parametrize("is_ended_whole", [True, False])
async def test_an_arrival_is_entered_and_undone_although_the_status_of_the_departure_was_retired(
    office: Office, lessons: list[int], is_ended_whole: bool
) -> None:
    path = await add_status(office, "home")
    await entered(office, "departure", "09:20", status="home")
    assert (await office.api.change("PATCH", path, "office", None, json={"retired": True})).is_success
    back = await entered(office, "arrival", "09:50" if is_ended_whole else "10:50")
    assert await absent_from(office) == ([] if is_ended_whole else [[lessons[2]]])
    await undo(office, back)
    # The school no longer uses the status: an ended absence is not entered again. The departure stands.
    assert await absent_from(office) == ([] if is_ended_whole else [lessons[2:]])
    assert (await stored(office, back))["isComplete"]


async def test_an_arrival_and_undos_need_no_absence_that_retention_has_deleted(
    office: Office, lessons: list[int]
) -> None:
    left = await entered(office, "departure", "09:20")
    async with office.adsum.database.transaction() as connection:
        await connection.execute(delete(due_absences))
        await connection.execute(delete(absence_versions).where(absence_versions.c.absence_id == left["absenceId"]))
        await connection.execute(delete(absences).where(absences.c.id == left["absenceId"]))
    back = await entered(office, "arrival", "10:10")
    for each in (back, left):
        await undo(office, each)
    assert {mark[0] for mark in (await marks(office)).values()} == {None}
    assert len(lessons) > 0
