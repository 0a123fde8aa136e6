"""The order of the students in the registers of a class: by name, or by seats."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest
from sqlalchemy import delete

from adsum.accounts.access import Caller, Role
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, NotFound
from adsum.platform.ids import Batch
from adsum.registers.order.rules import RegisterOrder, SortBy
from adsum.registers.order.service import RegisterOrders
from adsum.roster.rules import RosterStudent
from adsum.roster.tables import enrolments
from adsum.schools.locks import lock_school
from adsum.wiring import Adsum
from tests.support.api import opened_api
from tests.support.pages import Pages, visible_text
from tests.support.schools import SchoolIds, caller, enrol, make_school, make_student
from tests.support.waiting import has_transaction_waiting_for_a_lock, until

DAY = date(2024, 12, 25)
ADA = RosterStudent(1, None, "Zoe", "Adams", None)
BEN = RosterStudent(2, None, "Yusuf", "Baker", None)
EVE = RosterStudent(3, None, "Amara", "Clark", None)


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (RegisterOrder(), ["Adams, Zoe", "Baker, Yusuf", "Clark, Amara"]),
        (RegisterOrder(SortBy.GIVEN_NAME), ["Amara Clark", "Yusuf Baker", "Zoe Adams"]),
        (RegisterOrder(SortBy.SEATS, (3, 99, 1)), ["Clark, Amara", "Adams, Zoe", "Baker, Yusuf"]),
    ],
    ids=["family name", "first name", "seats"],
)
def test_students_are_in_the_order_of_the_class_and_those_without_a_seat_come_last(
    order: RegisterOrder, names: list[str]
) -> None:
    assert [order.name_of(each) for each in order.sorted([ADA, BEN, EVE])] == names


async def test_an_order_is_chosen_once_and_holds_for_every_register_of_the_class(
    adsum: Adsum, school: SchoolIds
) -> None:
    teacher = caller(Role.TEACHER, school.school_id, school.teacher_id)
    first, second, third, *_ = school.student_ids
    path = f"/take/{school.class_id}/{school.session_id}/{DAY}"

    async def order_on(day: date) -> list[int]:
        sheet = await adsum.register_sheets.sheet(school.class_id, school.session_id, day, teacher)
        return [row.student_id for row in sheet.rows[:3]]

    async with opened_api(adsum, school) as api:
        pages = Pages(api)
        seats = {f"seat-{third}": "1", f"seat-{first}": " 2", f"seat-{second}": "", "seat-999": "3", "seat-x": "4"}
        chosen = await pages.send(f"{path}/order", {"sort_by": "seats", **seats}, "teacher")
        assert (chosen.status_code, chosen.headers["Location"]) == (303, path)
        assert "Reihenfolge" in visible_text(await pages.open(f"{path}/order", "teacher", "de"))
        assert await order_on(DAY) == await order_on(date(2025, 1, 8)) == [third, first, second]

        await pages.send(f"{path}/order", {"sort_by": "nonsense"}, "teacher")
        assert (await order_on(DAY))[0] == first


@pytest.mark.parametrize(
    ("before", "chosen", "after"),
    [((1, 9, 2), (2, 1), (2, 9, 1)), ((9,), (2, 1, 2), (9, 2, 1)), ((1, 9, 8, 2), (2,), (2, 9)), ((), (7, 1), (1,))],
    ids=["between", "first", "without a seat", "unknown"],
)
def test_students_of_other_days_keep_their_seats(
    before: tuple[int, ...], chosen: tuple[int, ...], after: tuple[int, ...]
) -> None:
    present, order = RegisterOrder(SortBy.FAMILY_NAME, before), RegisterOrder(SortBy.SEATS, chosen)
    assert present.with_seats_of({1, 2}, order, {9}) == RegisterOrder(SortBy.SEATS, after)


async def test_an_order_of_an_old_register_keeps_the_seats_of_students_who_joined_later(
    adsum: Adsum, school: SchoolIds
) -> None:
    teacher = caller(Role.TEACHER, school.school_id, school.teacher_id)
    first, second, *_ = school.student_ids
    async with adsum.database.transaction() as connection:
        joined = await make_student(connection, school.school_id)
        await enrol(connection, school.class_id, [joined], begin=date(2025, 1, 7))
    new, old = (Batch(school.class_id, school.session_id, day) for day in (date(2025, 1, 8), DAY))
    await adsum.register_orders.choose(new, RegisterOrder(SortBy.SEATS, (joined, first, second)), teacher)

    await adsum.register_orders.choose(old, RegisterOrder(SortBy.SEATS, (second, first)), teacher)

    ordered = await adsum.register_orders.of_register(new, teacher)
    assert ordered.order.seats == (joined, second, first)


async def test_an_order_does_not_seat_students_who_leave_while_it_waits_for_the_school(
    postgres_database: Database,
) -> None:
    orders = RegisterOrders(postgres_database, system_clock)
    async with postgres_database.transaction() as connection:
        school = await make_school(connection)
    office = caller(Role.OFFICE, school.school_id)
    first, second, *_ = school.student_ids
    batch, order = Batch(school.class_id, school.session_id, DAY), RegisterOrder(SortBy.SEATS, (second, first))
    async with postgres_database.transaction() as connection:
        await lock_school(connection, school.school_id)
        choosing = asyncio.create_task(orders.choose(batch, order, office))
        await until(lambda: has_transaction_waiting_for_a_lock(postgres_database))
        await connection.execute(delete(enrolments).where(enrolments.c.student_id == second))
    await choosing

    assert (await orders.of_register(batch, office)).order.seats == (first,)


async def test_only_who_takes_the_register_chooses_its_order(adsum: Adsum, school: SchoolIds) -> None:
    batch, order = Batch(school.class_id, school.session_id, DAY), RegisterOrder(SortBy.GIVEN_NAME)

    async def refused(actor: Caller, error: type[Exception]) -> None:
        with pytest.raises(error):
            await adsum.register_orders.choose(batch, order, actor)

    await refused(caller(Role.VIEWER, school.school_id), Forbidden)
    await refused(caller(Role.TEACHER, school.school_id, school.teacher_id + 1_000), NotFound)
    await refused(caller(Role.OFFICE, school.school_id + 1), NotFound)
