"""Parses the fields of forms, and decides how pages show errors."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus

from fastapi.responses import RedirectResponse

from adsum.platform.days import WrongDay, day_near
from adsum.platform.errors import AdsumError, Conflict, Invalid, Malformed, Violation
from adsum.platform.http.problems import status_of

WRONG = (Invalid, Conflict, Malformed)
"""Errors that are shown beside the form, with the input. Others have an error page."""


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


def status_with(error: AdsumError | None) -> HTTPStatus:
    """The status of a page that shows this error, or none."""
    return HTTPStatus.OK if error is None else status_of(error) or HTTPStatus.INTERNAL_SERVER_ERROR


def redirect_to(address: str) -> RedirectResponse:
    """A redirect to the page that shows the result."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
