"""A student with data in every table, and their erasure."""

from __future__ import annotations

import re
from datetime import date

import httpx2
from sqlalchemy import insert, select

from adsum.absences.tables import absences, due_absences
from adsum.accounts.access import system_caller
from adsum.batches.tables import batch_runs
from adsum.platform.clock import system_clock
from adsum.platform.ids import Batch
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.merging.rules import MergeChoices
from adsum.registers.order.rules import RegisterOrder, SortBy
from adsum.registers.tables import desk_entries
from adsum.reports.service import Summaries
from tests.attendance.corrections.conftest import Register
from tests.support.api import Api
from tests.support.installation import ended, one_student_away
from tests.support.schools import (
    make_contact,
    make_student,
)
from tests.support.statements import Sent

NOTE = "a very private note"


def student_of(register: Register) -> int:
    return register.api.school.student_ids[0]


async def erase(api: Api, student_id: int, role: str = "office") -> httpx2.Response:
    return await api.change("DELETE", f"/students/{student_id}", role, None)


async def with_traces_everywhere(register: Register) -> None:
    """Leaves data about the first student in every table that has any."""
    await register.correct(status="late", note=NOTE, reason=NOTE)
    marks = [{"studentId": student_of(register), "status": "excused", "note": NOTE}]
    await register.api.create("office", key="again", isSelectedAll=False, marks=marks)
    failing = await register.api.create("office", learningDate="2024-12-20", marks=marks)
    async with one_student_away(register.adsum, student_of(register)), register.worker():
        await ended(register.adsum, failing.json()["batchId"])
    await with_a_planned_absence(register)
    other = f"/attendances/{register.records[1]}"
    assert (await register.api.change("DELETE", other, "office", '"1"', json=None)).is_success
    await with_visits_and_calls(register)
    await register.mark()
    await Summaries(register.adsum.database).refresh(register.api.school.school_id)
    async with register.adsum.database.transaction() as connection:
        run_id = (await connection.execute(select(batch_runs.c.run_id).limit(1))).scalar_one()
        absence_id = (await connection.execute(select(absences.c.id))).scalar_one()
        await connection.execute(insert(due_absences).values(run_id=run_id, absence_id=absence_id))
        second = await make_student(connection, register.api.school.school_id, given=NOTE)
    school = register.api.school
    seats = RegisterOrder(SortBy.SEATS, (student_of(register),))
    batch = Batch(school.class_id, school.session_id, date(2024, 12, 25))
    await register.adsum.register_orders.choose(batch, seats, system_caller())
    holds = register.adsum.holds
    hold = await holds.place(student_of(register), HoldReason.OTHER, NOTE, system_caller())
    await holds.lift(hold.id, system_caller())
    await register.adsum.student_merges.merge(
        student_of(register), second, MergeChoices(allow_different_names=True), system_caller()
    )


async def with_a_planned_absence(register: Register) -> None:
    """Enters an absence of the first student, and changes its reason."""
    absence = {"studentIds": [student_of(register)], "from": "2024-12-18", "to": "2024-12-18", "status": "excused"}
    entered = await register.api.post("/absences", absence | {"reason": NOTE}, "office", {"Idempotency-Key": "absence"})
    path = f"/absences/{entered.json()['items'][0]['id']}"
    changed = await register.api.change("PATCH", path, "office", '"1"', json={"reason": f"{NOTE}, again"})
    assert changed.is_success, changed.text


async def with_visits_and_calls(register: Register) -> None:
    """Enters a call about the first student, a late arrival, and a contact of the roster."""
    call = {"studentId": student_of(register), "date": "2024-12-18", "result": "reached", "person": NOTE, "note": NOTE}
    assert (await register.api.post("/contacts", call, "office")).is_success
    visit = {"school_id": register.api.school.school_id, "student_id": student_of(register), "kind": "arrival"}
    visit |= {"time": "09:00", "reason": NOTE, "status": "absent", "runs": [], "entered_role": "office"}
    async with register.adsum.database.transaction() as connection:
        entered = insert(desk_entries).values(day=date(2024, 12, 18), entered_at=system_clock(), **visit)
        await connection.execute(entered)
        await make_contact(connection, register.api.school.school_id, student_of(register), email=NOTE)


def tables_after(words: str, sent: Sent) -> set[str]:
    """Returns the tables that follow one of `words`, such as `FROM|JOIN`, in these statements."""
    pattern = re.compile(rf"\b(?:{words})\s+(\w+)", re.IGNORECASE)
    return {table for statement, _ in sent for table in pattern.findall(statement)}
