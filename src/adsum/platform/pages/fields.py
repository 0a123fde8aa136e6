"""Parses the fields of forms."""

from __future__ import annotations

from datetime import date

from adsum.platform.days import WrongDay, day_near
from adsum.platform.errors import Invalid, Violation


def day_typed(text: str, pointer: str) -> date:
    """Parses a date field. Raises Invalid."""
    try:
        return day_near(text)
    except WrongDay as error:
        raise Invalid(str(error), [Violation(error.code, str(error), pointer)]) from None


def day_or_violation(text: str, pointer: str, violations: list[Violation]) -> date | None:
    """Parses a date field; None, and a violation, if it is not a day."""
    try:
        return day_typed(text, pointer)
    except Invalid as error:
        violations += error.violations
        return None


def number_typed(text: str, pointer: str) -> int:
    """Parses a number field. Raises Invalid."""
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    detail = f"{text[:40]!r} is not a whole number"
    raise Invalid(detail, [Violation("wrong_type", detail, pointer)])
