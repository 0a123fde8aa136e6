"""Clearing a mark: a change in the history, after which the student can be marked again."""

from __future__ import annotations

from http import HTTPStatus

from tests.attendance.corrections.conftest import Register, mark
from tests.support.api import violations


async def test_a_cleared_mark_stays_as_a_record_without_a_status(register: Register) -> None:
    await register.correct(status="late", note="bus")

    answer = await register.clear(version='"2"', reason="wrong child")

    assert answer.status_code == HTTPStatus.OK
    assert (answer.json()["status"], answer.json()["note"], answer.json()["version"]) == (None, None, 3)
    newest, *_ = (await register.history())["items"]
    assert mark(newest["old"]) == ("late", "bus")
    assert mark(newest["new"]) == (None, None)
    assert newest["reason"] == "wrong child"


async def test_clearing_needs_the_current_version(register: Register) -> None:
    await register.correct(status="late")

    assert (await register.clear(version=None)).status_code == HTTPStatus.PRECONDITION_REQUIRED
    assert (await register.clear()).status_code == HTTPStatus.PRECONDITION_FAILED


async def test_the_note_of_a_cleared_mark_does_not_return_and_needs_a_status(register: Register) -> None:
    await register.correct(status="late", note="bus")
    await register.clear(version='"2"')

    refused = await register.correct(version='"3"', note="bus")
    marked = await register.correct(version='"3"', status="present")

    assert violations(refused) == {("/status", "mark_cleared")}
    assert (marked.json()["status"], marked.json()["note"]) == ("present", None)


async def test_marking_a_class_again_records_only_the_students_with_cleared_marks(register: Register) -> None:
    await register.clear()

    again = await register.mark()

    assert (again["addedJobs"], again["skippedJobs"]) == (1, 2)
    history = (await register.history())["items"]
    assert [change["new"]["status"] for change in history] == ["present", None, "present"]
    assert history[0]["runId"] == again["runId"]


async def test_the_history_of_a_record_is_paged(register: Register) -> None:
    for version, status in enumerate(("absent", "late", "excused"), 1):
        await register.correct(version=f'"{version}"', status=status)

    first = await register.history(limit=3)
    second = await register.history(limit=3, cursor=first["nextCursor"])

    assert [item["version"] for item in first["items"] + second["items"]] == [4, 3, 2, 1]
    assert second["nextCursor"] is None
    other = f"/attendances/{register.records[1]}/history"
    assert violations(await register.api.get(other, cursor=first["nextCursor"])) == {("/query/cursor", "wrong_cursor")}
