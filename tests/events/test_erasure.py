"""An erased student is in no stored event, also not in those that are still to be delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Any, cast, get_args

import pytest
from pydantic import BaseModel
from sqlalchemy import select, update

from adsum.accounts.access import system_caller
from adsum.events.repository import announce, lock_ends, number_events
from adsum.events.schemas import EventItem
from adsum.events.webhooks.service import NewWebhook
from adsum.platform.database.new_events import (
    ABOUT_STUDENTS,
    EventType,
    NewEvent,
    announcements,
    events,
    new_events,
    write_events,
)
from adsum.platform.database.tombstones import Erased, add_tombstones
from adsum.privacy.repository.references import replace_in_events
from adsum.roster.tables import students
from tests.attendance.corrections.conftest import Register
from tests.events.conftest import reader_of
from tests.events.webhooks.conftest import NOW, Receiver, receiver, settings
from tests.support.waiting import DEADLINE_S, has_transaction_waiting_for_a_lock, until

__all__ = ["receiver", "settings"]
ABSENCE = {"absenceId": 7, "version": 1, "from": "2024-12-25", "to": "2024-12-25", "status": "excused"}
TIMES = {"sessionIds": None, "fromTime": None, "toTime": None}


async def happen_to(register: Register, *student_ids: int) -> None:
    """Lets planned absences happen, which have no id yet."""
    data = [{**ABSENCE, **TIMES, "studentId": student_id} for student_id in student_ids]
    async with register.adsum.database.transaction() as connection:
        await write_events(connection, [NewEvent(EventType.ABSENCE_ENTERED, None, each) for each in data], NOW)


async def stored(register: Register) -> str:
    async with register.adsum.database.snapshot() as connection:
        rows: Sequence[Any] = [(await connection.execute(select(t.c.data))).all() for t in (events, new_events)]
    return str(rows)


@pytest.mark.both_databases
async def test_an_erasure_takes_the_id_out_of_numbered_and_new_events(register: Register) -> None:
    first, second, _ = register.api.school.student_ids
    reader = reader_of(register.adsum)
    await register.correct(status="late")
    await happen_to(register, first)
    await reader.read()
    await happen_to(register, first, second)
    named = await stored(register)
    reader.cursor = None

    await register.adsum.student_data.erase(first, system_caller())

    after = await stored(register)
    items = await reader.items()
    assert named.count(f"'studentId': {first}") == 3
    assert (after.count(f"'studentId': {first}"), after.count(f"'studentId': {second}")) == (0, 1)
    assert [each["data"]["studentId"] for each in items if "studentId" in each["data"]] == [None, None, None, second]


async def test_an_event_that_is_still_to_be_delivered_does_not_name_an_erased_student(
    register: Register, receiver: Receiver
) -> None:
    first = register.api.school.student_ids[0]
    webhook = await register.adsum.webhooks.create(NewWebhook(receiver.url), system_caller())
    await register.correct(status="late")
    await register.adsum.event_numbering.number()
    await register.adsum.student_data.erase(first, system_caller())

    await register.adsum.deliveries.deliver(webhook.webhook.id)

    assert [each.content["data"]["studentId"] for each in receiver.received] == [None]


async def test_the_ids_of_several_students_are_taken_out_at_once(register: Register) -> None:
    first, second, third = register.api.school.student_ids
    await happen_to(register, first, second, third)
    async with register.adsum.database.transaction() as connection:
        await replace_in_events(connection, [first, third])

    items = await reader_of(register.adsum).items()

    assert [each["data"]["studentId"] for each in items if each["type"] == "absence.entered"] == [None, second, None]


async def test_after_a_merge_events_name_the_kept_student(register: Register) -> None:
    kept, removed, other = register.api.school.student_ids
    reader = reader_of(register.adsum)
    await happen_to(register, removed, other)
    await reader.read()
    await happen_to(register, removed)
    async with register.adsum.database.transaction() as connection:
        await replace_in_events(connection, [removed], kept)
    reader.cursor = None

    items = await reader.items()

    assert [each["data"]["studentId"] for each in items if each["type"] == "absence.entered"] == [kept, other, kept]


def test_an_erasure_looks_through_the_types_whose_data_name_a_student() -> None:
    items: list[type[BaseModel]] = list(get_args(get_args(EventItem)[0]))
    fields = [each.model_fields for each in items]
    naming = {
        kind
        for each in fields
        for kind in get_args(each["type"].annotation)
        if "student_id" in cast("type[BaseModel]", each["data"].annotation).model_fields
    }
    assert naming == ABOUT_STUDENTS


async def test_an_erasure_and_a_merge_take_the_id_out_of_announcements(register: Register) -> None:
    first, second, third = register.api.school.student_ids
    days = [date(2024, 12, day) for day in (23, 24)]
    async with register.adsum.database.transaction() as connection:
        await announce(connection, EventType.STUDENT_UNEXPLAINED, {(day, each) for day in days for each in (1, 2, 3)})
        await announce(connection, EventType.REGISTER_TAKEN, {(days[0], first)})
        await announce(connection, EventType.STUDENT_UNEXPLAINED, {(date(2024, 12, 26), first)})
        await replace_in_events(connection, [first], second)
        await replace_in_events(connection, [third])
        await replace_in_events(connection, [])
        left = [tuple(row) for row in await connection.execute(select(announcements))]

    assert (first, second, third) == (1, 2, 3)
    assert sorted(left) == [
        ("register.taken", days[0], first),
        *(("student.unexplained", day, second) for day in (*days, date(2024, 12, 26))),
    ]


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_events_get_their_ids_while_an_erasure_waits_for_another_transaction(register: Register) -> None:
    first, second, _ = register.api.school.student_ids
    database, reader = register.adsum.database, reader_of(register.adsum)
    await reader.read()
    async with database.transaction() as connection:
        await connection.execute(update(students).where(students.c.id == first).values(source_id="s-1"))
    await happen_to(register, first, second)

    async with database.transaction() as other:
        await add_tombstones(other, Erased.STUDENT, {(register.api.school.school_id, "s-9")}, NOW)
        erasing = asyncio.create_task(register.adsum.student_data.erase(first, system_caller()))
        await until(lambda: has_transaction_waiting_for_a_lock(database))
        async with asyncio.timeout(DEADLINE_S):
            meanwhile = await reader.items()
    await erasing
    reader.cursor = None

    entered = [each["data"]["studentId"] for each in await reader.items() if each["type"] == "absence.entered"]
    assert [each["data"]["studentId"] for each in meanwhile] == [first, second]
    assert entered == [None, second]


@pytest.mark.parametrize("new_database", ["postgres"], indirect=True)
async def test_an_erasure_finds_events_that_get_their_ids_while_it_looks_for_them(register: Register) -> None:
    first, second, _ = register.api.school.student_ids
    database, reader = register.adsum.database, reader_of(register.adsum)
    await reader.read()
    await happen_to(register, first, second)

    async with database.transaction() as numbering:
        await number_events(numbering, (await lock_ends(numbering)).last_id, 100)
        erasing = asyncio.create_task(register.adsum.student_data.erase(first, system_caller()))
        await until(lambda: has_transaction_waiting_for_a_lock(database))
    await erasing

    assert [each["data"]["studentId"] for each in await reader.items()] == [None, second]
