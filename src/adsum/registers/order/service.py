"""Reads and chooses the order of the students in the registers of a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.registers.day_roster import read_day_roster
from adsum.registers.order.repository import order_of_class, set_order, students_after
from adsum.registers.order.rules import RegisterOrder, SortBy
from adsum.roster.repository.classes import find_class
from adsum.roster.rules import RosterStudent
from adsum.schools.locks import lock_school


@dataclass(frozen=True, slots=True)
class OrderedClass:
    """A class, its order, and the students of a day in the order of their seats."""

    class_title: str
    order: RegisterOrder
    students: Sequence[RosterStudent]


class RegisterOrders:
    """The orders of registers. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def of_register(self, batch: Batch, caller: Caller) -> OrderedClass:
        """The order of the class of a register.

        Raises:
            Forbidden: without `roster:read`.
            NotFound: there is no such class, or the caller does not see it on that day.
            Invalid: the class has no such session.
        """
        async with self._database.snapshot() as connection:
            roster = await read_day_roster(
                connection, caller, batch.class_id, batch.learning_date, batch.session_id, self._now()
            )
            order = await order_of_class(connection, batch.class_id)
        by_seat = RegisterOrder(SortBy.SEATS, order.seats)
        return OrderedClass(roster.of.title, order, by_seat.sorted(roster.students))

    async def choose(self, batch: Batch, order: RegisterOrder, caller: Caller) -> None:
        """Chooses the order for all registers of the class. It seats the students of the register; those who join the
        class after its day keep their seats, and those who left before it lose theirs.

        Raises:
            Forbidden: without `attendance:create` and `roster:read`.
            NotFound: there is no such class, or the caller does not see it on that day.
            Invalid: the class has no such session.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        async with self._database.transaction() as connection:
            found = await find_class(connection, caller, batch.class_id, batch.learning_date)
            if found is not None:
                # Its students are neither erased nor merged until the order is stored.
                await lock_school(connection, found.school_id)
            roster = await read_day_roster(
                connection, caller, batch.class_id, batch.learning_date, batch.session_id, self._now()
            )
            shown = {each.student_id for each in roster.students}
            later = await students_after(connection, batch.class_id, batch.learning_date) - shown
            present = await order_of_class(connection, batch.class_id)
            await set_order(connection, batch.class_id, present.with_seats_of(shown, order, later))
