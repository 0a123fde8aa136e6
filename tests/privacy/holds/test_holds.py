"""A hold keeps the data of a student: an erasure, and a merge that removes them, wait until it is lifted."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import pytest

from adsum.accounts.access import system_caller
from adsum.platform.errors import Invalid, NotFound
from adsum.platform.paging import PageRequest
from adsum.privacy.holds.rules import MAX_REFERENCE, HoldExists, HoldReason, StudentOnHold
from adsum.privacy.merging.rules import MergeChoices
from tests.attendance.corrections.conftest import Register, register
from tests.support.api import violations
from tests.support.schools import make_bare_school, make_student

__all__ = ["register"]
OFFICE = system_caller()


def student_of(register: Register) -> int:
    return register.api.school.student_ids[0]


async def place(register: Register, role: str = "office", **body: Any) -> Any:
    return await register.api.post(f"/students/{student_of(register)}/holds", {"reason": "litigation"} | body, role)


async def lift(register: Register, hold_id: int, role: str = "office") -> Any:
    return await register.api.change("DELETE", f"/holds/{hold_id}", role, None)


async def erase(register: Register) -> Any:
    return await register.api.change("DELETE", f"/students/{student_of(register)}", "office", None)


async def test_a_student_on_hold_is_not_erased_until_every_hold_is_lifted(register: Register) -> None:
    first = (await place(register, reference=" 12 C 345/26 ")).json()
    second = (await place(register, reason="safeguarding")).json()
    assert (first["reason"], first["reference"], first["placedByRole"]) == ("litigation", "12 C 345/26", "office")

    refused = await erase(register)
    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.CONFLICT, "student_on_hold")
    assert [each["params"]["holdId"] for each in refused.json()["errors"]] == [first["id"], second["id"]]
    lifted = (await lift(register, first["id"])).json()
    assert (lifted["liftedByRole"], lifted["liftedAt"] is not None) == ("office", True)
    assert (await lift(register, first["id"])).json() == lifted
    assert (await erase(register)).status_code == HTTPStatus.CONFLICT
    assert [each["id"] for each in (await register.api.get("/holds")).json()["items"]] == [second["id"]]

    await lift(register, second["id"])
    assert (await erase(register)).is_success
    assert (await register.api.get("/holds")).json()["items"] == []
    assert (await lift(register, first["id"])).status_code == HTTPStatus.NOT_FOUND


async def test_one_reason_is_placed_once_and_again_after_it_was_lifted(register: Register) -> None:
    first = (await place(register)).json()

    again = await place(register)

    assert (again.status_code, again.json()["code"]) == (HTTPStatus.CONFLICT, "hold_exists")
    await lift(register, first["id"])
    assert (await place(register)).status_code == HTTPStatus.CREATED


async def test_a_record_on_hold_is_not_merged_into_another_one(register: Register) -> None:
    merges, holds = register.adsum.student_merges, register.adsum.holds
    async with register.adsum.database.transaction() as connection:
        second = await make_student(connection, register.api.school.school_id)
    hold = await holds.place(second, HoldReason.SAFEGUARDING, None, OFFICE)
    kept = await holds.place(student_of(register), HoldReason.OTHER, None, OFFICE)
    choices = MergeChoices(allow_different_names=True)

    with pytest.raises(StudentOnHold):
        await merges.preview(student_of(register), second, choices, OFFICE)
    with pytest.raises(StudentOnHold):
        await merges.merge(student_of(register), second, choices, OFFICE)

    await holds.lift(hold.id, OFFICE)
    await merges.merge(student_of(register), second, choices, OFFICE)
    data = await register.adsum.student_data.export(student_of(register), OFFICE)
    assert [(each["reason"], each["lifted_at"] is None) for each in data.holds] == [
        ("safeguarding", False),
        ("other", True),
    ]
    assert kept.id > hold.id


async def test_of_a_hold_and_an_erasure_at_once_one_wins(register: Register) -> None:
    """Never both: an erased student on hold."""
    student_data, holds, student_id = register.adsum.student_data, register.adsum.holds, student_of(register)

    outcomes = await asyncio.gather(
        student_data.erase(student_id, OFFICE),
        holds.place(student_id, HoldReason.LITIGATION, None, OFFICE),
        return_exceptions=True,
    )

    failures = [each for each in outcomes if isinstance(each, BaseException)]
    assert [type(each) for each in failures] in ([StudentOnHold], [NotFound]), outcomes
    is_held = type(failures[0]) is StudentOnHold
    assert (await register.api.get(f"/students/{student_id}/data")).is_success is is_held


async def test_of_two_holds_for_one_reason_at_once_one_wins(register: Register) -> None:
    holds, student_id = register.adsum.holds, student_of(register)

    outcomes = await asyncio.gather(
        *(holds.place(student_id, HoldReason.LITIGATION, None, OFFICE) for _ in range(3)), return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in outcomes) == ["Hold", "HoldExists", "HoldExists"]
    assert HoldExists.code == "hold_exists"


@pytest.mark.parametrize("role", ["teacher", "viewer"])
async def test_holds_need_the_permission(register: Register, role: str) -> None:
    hold = (await place(register)).json()
    answers = [await place(register, role, reason="other"), await lift(register, hold["id"], role)]
    answers.append(await register.api.get("/holds", role))
    assert {answer.status_code for answer in answers} == {HTTPStatus.FORBIDDEN}


async def test_holds_of_other_schools_do_not_exist(register: Register) -> None:
    async with register.adsum.database.transaction() as connection:
        stranger = await make_student(connection, await make_bare_school(connection, name="Elsewhere"))
    hold = await register.adsum.holds.place(stranger, HoldReason.OTHER, None, OFFICE)

    placed = await register.api.post(f"/students/{stranger}/holds", {"reason": "other"}, "office")

    assert {placed.status_code, (await lift(register, hold.id)).status_code} == {HTTPStatus.NOT_FOUND}
    assert (await register.api.get("/holds")).json()["items"] == []


async def test_holds_are_narrowed_to_one_school(register: Register) -> None:
    async with register.adsum.database.transaction() as connection:
        elsewhere = await make_bare_school(connection, name="Elsewhere")
        stranger = await make_student(connection, elsewhere)
    there = await register.adsum.holds.place(stranger, HoldReason.OTHER, None, OFFICE)
    here = (await place(register)).json()["id"]
    school_id, holds = register.api.school.school_id, register.adsum.holds

    of_all = [await holds.page(OFFICE, PageRequest(), each) for each in (None, school_id, elsewhere)]
    of_office = (await register.api.get("/holds", schoolId=school_id)).json()

    assert [[each.id for each in page.items] for page in of_all] == [[there.id, here], [here], [there.id]]
    assert [each["id"] for each in of_office["items"]] == [here]


async def test_a_wrong_reason_or_reference_is_refused(register: Register) -> None:
    assert violations(await place(register, reason="because", reference="x" * 65)) == {
        ("/reason", "unknown_value"),
        ("/reference", "too_long"),
    }
    for reference in ("x" * (MAX_REFERENCE + 1), "a\x00b"):
        with pytest.raises(Invalid):
            await register.adsum.holds.place(student_of(register), HoldReason.OTHER, reference, OFFICE)
