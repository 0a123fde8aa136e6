"""What a platform says of its own classes, students, sessions and enrolments, under ids of its own: one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from adsum.platform.errors import Violation
from adsum.platform.texts import UNSTORABLE

MAX_NAME = 255
MAX_GRADE = 32
MAX_PERIOD = 64


@dataclass(frozen=True, slots=True)
class SourcedClass:
    """A class. An inactive one is not offered any more; what was recorded in it stays."""

    title: str
    code: str | None = None
    active: bool = True

    def violations(self) -> Iterator[Violation]:
        """Everything that is wrong with it."""
        yield from _validate_text("/title", self.title, MAX_NAME)
        yield from _validate_text("/code", self.code, MAX_NAME)


@dataclass(frozen=True, slots=True)
class SourcedStudent:
    """A student, whom an enrolment puts into a class."""

    given_name: str
    family_name: str
    grade: str | None = None
    active: bool = True

    def violations(self) -> Iterator[Violation]:
        """Everything that is wrong with it."""
        yield from _validate_text("/givenName", self.given_name, MAX_NAME)
        yield from _validate_text("/familyName", self.family_name, MAX_NAME)
        yield from _validate_text("/grade", self.grade, MAX_GRADE)


@dataclass(frozen=True, slots=True)
class SourcedSession:
    """A session of a class, which is named by its own id at the platform. `period` tells the class's sessions apart."""

    class_source_id: str
    title: str
    period: str = ""
    active: bool = True

    def violations(self) -> Iterator[Violation]:
        """Everything that is wrong with it, whatever classes there are."""
        yield from _validate_text("/title", self.title, MAX_NAME)
        yield from _validate_text("/period", self.period or None, MAX_PERIOD)


@dataclass(frozen=True, slots=True)
class SourcedEnrolment:
    """A student in a class, from `begin_date` on, up to but without `end_date`; None is without bound."""

    class_source_id: str
    student_source_id: str
    begin_date: date | None = None
    end_date: date | None = None

    def violations(self) -> Iterator[Violation]:
        """Everything that is wrong with it, whatever classes and students there are."""
        if self.begin_date is not None and self.end_date is not None and self.end_date < self.begin_date:
            detail = f"the end, {self.end_date}, is before the beginning, {self.begin_date}"
            yield Violation("days_reversed", detail, "/endDate")


def _validate_text(pointer: str, text: str | None, most: int) -> Iterator[Violation]:
    if text is None:
        return
    if not text.strip():
        yield Violation("too_short", "this needs a visible character", pointer, {"minimum": 1})
    if len(text) > most:
        yield Violation("too_long", f"this has at most {most} characters", pointer, {"maximum": most})
    if UNSTORABLE.search(text):
        yield Violation("wrong_text", "this has no NUL and no half of a character", pointer)
