"""The order of the students in the registers of a class."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from adsum.roster.rules import RosterStudent, name_order


class SortBy(StrEnum):
    """The sort key of a register. `seats` is an order that the teachers of the class have chosen."""

    FAMILY_NAME = "family_name"
    GIVEN_NAME = "given_name"
    SEATS = "seats"


@dataclass(frozen=True, slots=True)
class RegisterOrder:
    """The order of the registers of a class. All who take them share it.

    `seats`: the ids of the students in the order of their seats. It is kept while the class is sorted by name. Ids of
    students who have left the class have no effect.
    """

    sort_by: SortBy = SortBy.FAMILY_NAME
    seats: tuple[int, ...] = ()

    def with_seats_of(self, shown: Collection[int], to: RegisterOrder, stay: Collection[int]) -> RegisterOrder:
        """The order `to`, which was chosen for the students of one day, with the seats of other days.

        Args:
            shown: the students of that day. Only their seats are taken from `to`.
            to: the chosen order.
            stay: other students of the class. They keep their seats in this order, between those of that day.
        """
        chosen = iter([each for each in dict.fromkeys(to.seats) if each in shown])
        seats = [each if each in stay else next(chosen, None) for each in self.seats if each in shown or each in stay]
        return RegisterOrder(to.sort_by, (*(each for each in seats if each is not None), *chosen))

    def sorted(self, students: Sequence[RosterStudent]) -> list[RosterStudent]:
        """The students of a roster, which is in the order of family names, in this order.

        Students without a seat come last.
        """
        if self.sort_by is SortBy.FAMILY_NAME:
            return list(students)
        if self.sort_by is SortBy.GIVEN_NAME:
            return sorted(students, key=lambda each: name_order(each.given_name, each.family_name, each.student_id))
        places = {student_id: place for place, student_id in enumerate(self.seats)}
        return sorted(students, key=lambda each: places.get(each.student_id, len(places)))

    def name_of(self, student: RosterStudent) -> str:
        """The name in a register: the part by which it is sorted comes first."""
        if self.sort_by is SortBy.GIVEN_NAME:
            return f"{student.given_name} {student.family_name}"
        return f"{student.family_name}, {student.given_name}"
