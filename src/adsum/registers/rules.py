"""Registers: whether a class was marked in a session on a day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class RegisterState(StrEnum):
    """How much of a register is taken: of every student of the day's roster, of some, or of none."""

    TAKEN = "taken"
    PARTIAL = "partial"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class RegisterFilters:
    """Which registers. A filter that is None does not narrow.

    Attributes:
        day: the day; None: the today of each school.
        school_id, class_id: of the class.
        teacher_id: of a user who teaches or covers the session on that day.
        missing_only: leaves out registers that are taken.
        with_upcoming: includes registers that are not due yet: of a later time today, or of a later day.
    """

    day: date | None = None
    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    missing_only: bool = True
    with_upcoming: bool = False


@dataclass(frozen=True, slots=True)
class RegisterTeacher:
    """Who teaches the class on the day of a register."""

    user_id: int
    name: str


@dataclass(frozen=True, slots=True)
class RegisterCount:
    """How many registers are due, and how many of these are taken."""

    due: int
    taken: int


@dataclass(frozen=True, slots=True)
class Register:
    """The register of a class, a session and a day.

    Attributes:
        school_id: of the class's school.
        class_id: of the class.
        class_name: its title.
        session_id: of the session.
        session_title: its title.
        learning_date: the day.
        teachers: who teaches the class on that day.
        marked: how many students of the roster have a mark.
        expected: how many students are on the roster.
        missing_student_ids: who has none; None: the reader may not know.
        is_processing: whether an open run is about to mark some.
        given: how many students of the roster have which status.
        times: when the session meets on that day, local 'HH:MM', the first one first; none: nobody has said.
    """

    school_id: int
    class_id: int
    class_name: str
    session_id: int
    session_title: str
    learning_date: date
    teachers: tuple[RegisterTeacher, ...]
    marked: int
    expected: int
    missing_student_ids: tuple[int, ...] | None
    is_processing: bool
    given: Mapping[str, int] = field(default_factory=dict[str, int])
    times: tuple[tuple[str, str], ...] = ()

    @property
    def state(self) -> RegisterState:
        if self.marked >= self.expected:
            return RegisterState.TAKEN
        return RegisterState.PARTIAL if self.marked else RegisterState.MISSING
