"""Values of reminders of missing registers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from adsum.platform.errors import Violation
from adsum.registers.rules import LocalTime, Register, Reminder

PAUSE = timedelta(minutes=5)
"""The teachers of a register are not reminded again within this time."""
SHOWN = timedelta(days=14)
"""Nobody is reminded of registers of older days."""
MAX_REGISTERS = 2_000
"""The registers of a school on a day that one request can remind of."""


@dataclass(frozen=True, slots=True)
class ReminderFilters:
    """Filters of reminders; None does not filter, days are those of the registers, and inclusive."""

    school_id: int | None = None
    session_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class SentReminder(Reminder):
    """A reminder with its register."""

    id: int
    school_id: int
    class_id: int
    session_id: int
    learning_date: date


@dataclass(frozen=True, slots=True)
class Reminded:
    """The result of a request to remind.

    Attributes:
        sent: registers whose teachers are reminded now.
        recent: registers whose teachers were reminded less than `PAUSE` ago; they are not reminded again.
        without_login: registers whose teachers all have no login, and would see no reminder.
        without_teacher: registers that nobody teaches or covers on that day.
    """

    sent: Sequence[Register]
    recent: Sequence[Register]
    without_login: Sequence[Register]
    without_teacher: Sequence[Register]


def oldest_reminded(today: date) -> date:
    """The oldest day of whose registers somebody is reminded."""
    return today - SHOWN


def validate_day(day: date, today: date) -> Iterator[Violation]:
    """The violation of reminders of a day."""
    oldest = oldest_reminded(today)
    if day < oldest:
        detail = f"nobody is reminded of registers from before {oldest}"
        yield Violation("date_too_early", detail, "/date", {"earliest": oldest.isoformat()})


@dataclass(frozen=True, slots=True)
class ShownReminder:
    """A missing register that its teacher is reminded of. `today` and `reminded` are local at its school."""

    register: Register
    today: date
    reminded: LocalTime

    @property
    def path(self) -> str:
        """The path of the page on which the register is taken."""
        each = self.register
        return f"/take/{each.class_id}/{each.session_id}/{each.learning_date.isoformat()}"
