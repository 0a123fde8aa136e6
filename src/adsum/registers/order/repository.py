"""Statements about the order of the students in the registers of a class."""

from __future__ import annotations

from datetime import date

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.registers.order.rules import RegisterOrder, SortBy
from adsum.registers.order.tables import register_orders, student_seats
from adsum.roster.tables import enrolments


async def students_after(connection: AsyncConnection, class_id: int, day: date) -> set[int]:
    """The students whose enrolment in the class ends after the day, also if it begins later."""
    e = enrolments.c
    ends_later = or_(e.end_date.is_(None), e.end_date > day)
    return set(await connection.scalars(select(e.student_id).where(e.class_id == class_id, ends_later)))


async def order_of_class(connection: AsyncConnection, class_id: int) -> RegisterOrder:
    """The order that was chosen for the class, or the default."""
    of_class = select(register_orders.c.sort_by).where(register_orders.c.class_id == class_id)
    sort_by = await connection.scalar(of_class)
    if sort_by is None:
        return RegisterOrder()
    s = student_seats.c
    seats = await connection.scalars(select(s.student_id).where(s.class_id == class_id).order_by(s.place))
    return RegisterOrder(SortBy(sort_by), tuple(seats))


async def set_order(connection: AsyncConnection, class_id: int, order: RegisterOrder) -> None:
    """Stores the order of a class. The caller holds the lock of its school."""
    for table in (register_orders, student_seats):
        await connection.execute(delete(table).where(table.c.class_id == class_id))
    await connection.execute(insert(register_orders).values(class_id=class_id, sort_by=order.sort_by))
    seats = [
        {"class_id": class_id, "student_id": student_id, "place": place}
        for place, student_id in enumerate(order.seats, start=1)
    ]
    if seats:
        await connection.execute(insert(student_seats), seats)
