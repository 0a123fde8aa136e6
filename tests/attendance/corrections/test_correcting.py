"""Corrections of single records over HTTP."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

from adsum.accounts.access import Role
from tests.attendance.corrections.conftest import Register, mark
from tests.support.api import Api, violations
from tests.support.schools import make_user


@pytest.mark.both_databases
async def test_a_correction_of_one_student_changes_only_that_record(register: Register) -> None:
    before = (await register.api.get("/attendances")).json()["items"]

    answer = await register.correct(status="absent", note="went home", reason="asked the parents")

    assert (answer.status_code, answer.headers["etag"]) == (HTTPStatus.OK, '"2"')
    first, *others = (await register.api.get("/attendances")).json()["items"]
    assert others == before[1:]
    assert first.items() <= answer.json().items()
    assert (first["status"], first["note"], first["version"]) == ("absent", "went home", 2)
    newest, oldest = (await register.history())["items"]
    assert mark(newest["old"]) == ("present", None)
    assert mark(newest["new"]) == ("absent", "went home")
    assert newest["changedByRole"] == "teacher"
    assert newest["changedByUserId"] == register.api.school.teacher_id
    assert (newest["reason"], newest["runId"]) == ("asked the parents", None)
    assert newest["changedAt"] == first["markedAt"]
    assert (oldest["version"], oldest["old"], mark(oldest["new"])) == (1, None, ("present", None))
    assert oldest["changedByRole"] == "teacher"
    assert oldest["runId"] is not None


async def test_a_correction_without_changes_writes_nothing(register: Register) -> None:
    answer = await register.correct(status="present")

    assert (answer.status_code, answer.headers["etag"]) == (HTTPStatus.OK, '"1"')
    assert len((await register.history())["items"]) == 1


async def test_a_correction_keeps_omitted_fields_and_removes_a_note_that_is_null(register: Register) -> None:
    await register.correct(status="late", note="bus")

    assert (await register.correct(version='"2"', status="excused")).json()["note"] == "bus"
    alone = (await register.correct(version='"3"', note=None)).json()
    assert (alone["status"], alone["note"]) == ("excused", None)


async def test_a_stale_version_is_refused_with_the_changes_since(register: Register) -> None:
    await register.correct("office", status="late", note="bus")

    answer = await register.correct("teacher", status="absent")

    assert answer.status_code == HTTPStatus.PRECONDITION_FAILED
    problem = answer.json()
    assert problem["code"] == "stale_version"
    assert problem["params"]["current"] == {"version": 2, "status": "late", "note": "bus"}
    (change,) = problem["params"]["changes"]
    assert mark(change["old"]) == ("present", None)
    assert (mark(change["new"]), change["changedByRole"]) == (("late", "bus"), "office")
    assert [item["version"] for item in (await register.history())["items"]] == [2, 1]


async def test_the_slower_of_two_simultaneous_corrections_is_refused(register: Register) -> None:
    answers = await asyncio.gather(
        register.correct("teacher", status="absent"), register.correct("office", status="late")
    )

    assert sorted(answer.status_code for answer in answers) == [HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED]
    winner = next(answer.json()["status"] for answer in answers if answer.is_success)
    loser = next(answer for answer in answers if not answer.is_success)
    assert loser.json()["params"]["current"]["status"] == winner
    assert len((await register.history())["items"]) == 2


async def test_a_repeated_correction_is_answered_as_the_first_time(register: Register) -> None:
    first = await register.correct(status="absent", reason="seen in town")

    again = await register.correct(status="absent", reason="seen in town")

    assert (again.status_code, again.json()) == (HTTPStatus.OK, first.json())
    assert len((await register.history())["items"]) == 2


async def test_the_same_change_by_another_caller_is_still_a_conflict(register: Register) -> None:
    await register.correct("office", status="absent")

    assert (await register.correct("teacher", status="absent")).status_code == HTTPStatus.PRECONDITION_FAILED


async def test_a_repeated_correction_is_stale_after_a_change_by_others(register: Register) -> None:
    await register.correct("teacher", status="absent")
    await register.correct("office", version='"2"', status="late")

    answer = await register.correct("teacher", status="absent")

    assert answer.status_code == HTTPStatus.PRECONDITION_FAILED
    assert [change["version"] for change in answer.json()["params"]["changes"]] == [3, 2]


async def test_a_correction_needs_the_current_version(register: Register) -> None:
    for version in (None, "*"):
        answer = await register.correct(version=version, status="absent")
        assert answer.status_code == HTTPStatus.PRECONDITION_REQUIRED
        assert answer.json()["code"] == "version_required"
        assert 'If-Match: "<version>"' in answer.json()["detail"], "no example that could be sent as it is"
    unquoted = await register.correct(version="1", status="absent")
    assert unquoted.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert violations(unquoted) == {("/header/If-Match", "wrong_form")}
    weak = await register.correct(version='W/"1"', status="absent")
    assert weak.status_code == HTTPStatus.PRECONDITION_FAILED
    several = await register.correct(version='"7", "1"', status="absent")
    assert several.status_code == HTTPStatus.OK


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {("", "empty_correction")}),
        ({"reason": "just so"}, {("", "empty_correction")}),
        ({"status": "asleep"}, {("/status", "unknown_status")}),
        (
            {"status": "asleep", "note": "x" * 501, "reason": "y" * 501},
            {("/note", "too_long"), ("/reason", "too_long")},
        ),
        ({"status": "absent", "learningDate": "2024-12-24"}, {("/learningDate", "unknown_field")}),
        ({"note": "x" * 100_000}, {("/note", "too_long")}),
    ],
)
async def test_invalid_input_is_reported_and_changes_nothing(
    register: Register, body: dict[str, str], wrong: set[tuple[str, str]]
) -> None:
    answer = await register.correct(**body)

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert violations(answer) == wrong
    assert len((await register.history())["items"]) == 1


async def test_each_role_corrects_only_the_records_that_it_may(register: Register) -> None:
    assert (await register.correct("viewer", status="absent")).status_code == HTTPStatus.FORBIDDEN
    assert (await register.correct("operator", status="absent")).status_code == HTTPStatus.FORBIDDEN
    assert (await register.correct("nobody", status="absent")).status_code == HTTPStatus.UNAUTHORIZED
    assert (await register.clear("viewer")).status_code == HTTPStatus.FORBIDDEN
    for path in (register.path, f"{register.path}/history"):
        assert (await register.api.get(path, "viewer")).status_code == HTTPStatus.OK
        assert (await register.api.get(path, "operator")).status_code == HTTPStatus.FORBIDDEN


async def test_a_record_of_an_invisible_class_is_not_found(register: Register) -> None:
    answers = await _every_request(register.api, register.path, "teacher of another class")
    unknown = await _every_request(register.api, f"/attendances/{max(register.records) + 1}", "office")

    assert answers == unknown == [HTTPStatus.NOT_FOUND] * 4
    assert len((await register.history())["items"]) == 1


async def _every_request(api: Api, path: str, role: str) -> list[int]:
    if role not in api.tokens:
        await _sign_in_another_teacher(api, role)
    answers = [
        await api.get(path, role),
        await api.get(f"{path}/history", role),
        await api.change("PATCH", path, role, '"1"', json={"status": "absent"}),
        await api.change("DELETE", path, role, '"1"'),
    ]
    return [answer.status_code for answer in answers]


async def _sign_in_another_teacher(api: Api, name: str) -> None:
    email = "another@school.example"
    async with api.adsum.database.transaction() as connection:
        await make_user(connection, Role.TEACHER, api.school.school_id, email=email)
    api.tokens[name] = (await api.adsum.tokens.create(email)).text
