"""Undo of several runs of a batch, each by its id, while an absence changes marks between them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from adsum.accounts.access import Role
from tests.attendance.corrections.conftest import Register
from tests.support.api import DAY
from tests.support.installation import ended
from tests.support.schools import caller

ORDERS = list(permutations(range(3)))


async def run(register: Register, status: str, role: str = "office") -> tuple[str, str]:
    """Marks the first student in a run of their own. Returns its batch and its id."""
    marks = [{"studentId": register.api.school.student_ids[0], "status": status}]
    answer = await register.api.create(role, isSelectedAll=False, marks=marks, onExisting="update")
    assert answer.is_success, answer.text
    made = answer.json()
    async with register.worker():
        await ended(register.adsum, made["batchId"])
    assert await status_of(register) == status
    return made["batchId"], made["runId"]


async def plan(register: Register) -> int:
    """Plans an absence of the first student, which changes the mark of a teacher."""
    student = register.api.school.student_ids[0]
    body = {"studentIds": [student], "from": DAY, "to": DAY, "status": "excused", "reason": "doctor"}
    planned = await register.api.post("/absences", body, "office")
    assert await status_of(register) == "excused"
    return planned.json()["items"][0]["id"]


async def status_of(register: Register) -> Any:
    return (await register.api.get(register.path, "office")).json()["status"]


async def undo_in_order(register: Register, runs: list[tuple[str, str]], order: tuple[int, ...]) -> None:
    undone: list[str] = []
    office = caller(Role.OFFICE, register.api.school.school_id)
    for number in order:
        batch_id, run_id = runs[number]
        await register.adsum.undo.undo(batch_id, office, run_id=run_id, undone_run_ids=undone)
        undone.append(run_id)


@pytest.mark.every_case
@pytest.mark.parametrize("order", ORDERS)
async def test_the_undo_of_runs_in_any_order_ends_at_the_mark_before_all(
    register: Register, order: tuple[int, ...]
) -> None:
    runs = [await run(register, status) for status in ("absent", "excused", "late")]
    await undo_in_order(register, runs, order)
    assert await status_of(register) == "present"


@pytest.mark.every_case
@pytest.mark.parametrize("order", ORDERS)
async def test_the_undo_of_runs_before_and_after_a_planned_absence_ends_at_its_mark(
    register: Register, order: tuple[int, ...]
) -> None:
    runs = [await run(register, "absent", "teacher")]
    await plan(register)
    runs += [await run(register, status) for status in ("late", "absent")]
    await undo_in_order(register, runs, order)
    assert await status_of(register) == "excused"


@pytest.mark.every_case
@pytest.mark.parametrize("order", ORDERS)
async def test_the_mark_that_a_planned_absence_gave_back_when_it_ended_stays_as_a_later_change_does(
    register: Register, order: tuple[int, ...]
) -> None:
    runs = [await run(register, "absent", "teacher")]
    absence_id = await plan(register)
    await register.adsum.absences.revoke(absence_id, None, caller(Role.OFFICE, register.api.school.school_id))
    assert await status_of(register) == "absent"
    runs += [await run(register, status) for status in ("late", "excused")]
    await undo_in_order(register, runs, order)
    assert await status_of(register) == "absent"
