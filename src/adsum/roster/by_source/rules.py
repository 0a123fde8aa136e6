"""Classes, students, sessions and enrolments as another platform describes them, and their violations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from adsum.platform.errors import Conflict, Violation
from adsum.platform.texts import validate_roster_text
from adsum.roster.rules import MAX_GRADE, grade_text, grades_of

MAX_NAME = 255
MAX_PERIOD = 64


class StudentErased(Conflict):
    """The student was erased at this school. They come back only on purpose: see `readmit` in privacy."""

    code = "erased_person"

    def __init__(self, pointer: str) -> None:
        detail = "this student was erased at this school; readmit them first, if they are to come back"
        super().__init__(detail, [Violation(self.code, detail, pointer)])


@dataclass(frozen=True, slots=True)
class SourcedClass:
    """A class. An inactive class is not offered for marking; its records stay."""

    title: str
    code: str | None = None
    active: bool = True

    def violations(self) -> Iterator[Violation]:
        """All violations."""
        yield from _validate_text("/title", self.title, MAX_NAME)
        yield from _validate_text("/code", self.code, MAX_NAME)


@dataclass(frozen=True, slots=True)
class SourcedStudent:
    """A student. An enrolment adds them to a class. Several grades are separated by commas."""

    given_name: str
    family_name: str
    grade: str | None = None
    active: bool = True

    def violations(self) -> Iterator[Violation]:
        """All violations."""
        yield from _validate_text("/givenName", self.given_name, MAX_NAME)
        yield from _validate_text("/familyName", self.family_name, MAX_NAME)
        if self.grade is not None:
            for grade in self.grade.split(","):
                yield from _validate_text("/grade", grade, MAX_GRADE)

    def to_row(self) -> dict[str, Any]:
        """The values of the columns."""
        return {**asdict(self), "grade": grade_text(grades_of(self.grade))}


@dataclass(frozen=True, slots=True)
class SourcedSession:
    """A session of a class. `class_source_id` names the class; `period` is unique within it."""

    class_source_id: str
    title: str
    period: str = ""
    active: bool = True

    def violations(self) -> Iterator[Violation]:
        """All violations except unknown references."""
        yield from _validate_text("/title", self.title, MAX_NAME)
        yield from _validate_text("/period", self.period or None, MAX_PERIOD)


@dataclass(frozen=True, slots=True)
class SourcedEnrolment:
    """A student in a class from `begin_date` until before `end_date`; None: no bound."""

    class_source_id: str
    student_source_id: str
    begin_date: date | None = None
    end_date: date | None = None

    def violations(self) -> Iterator[Violation]:
        """All violations except unknown references."""
        if self.begin_date is not None and self.end_date is not None and self.end_date < self.begin_date:
            detail = f"the end, {self.end_date}, is before the beginning, {self.begin_date}"
            yield Violation("days_reversed", detail, "/endDate")


def _validate_text(pointer: str, text: str | None, maximum: int) -> Iterator[Violation]:
    if text is None:
        return
    if not text.strip():
        yield Violation("too_short", "this needs at least one visible character", pointer, {"minimum": 1})
    if len(text) > maximum:
        yield Violation("too_long", f"this has at most {maximum} characters", pointer, {"maximum": maximum})
    yield from validate_roster_text(text, pointer)
