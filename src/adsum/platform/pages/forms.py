"""Parses the fields of forms, and decides how pages show errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from adsum.platform.database.answers import AnswerKey, KeyedRequest
from adsum.platform.days import WrongDay, day_near
from adsum.platform.errors import AdsumError, Conflict, Invalid, Malformed, Violation
from adsum.platform.http.problems import status_of

WRONG = (Invalid, Conflict, Malformed)
"""Errors that are shown beside the form, with the input. Others have an error page."""


Result = TypeVar("Result")


class OnceForm(BaseModel):
    """A form that has one effect, also if it is sent twice: each page has another `key` in a hidden field."""

    key: Annotated[str, Field(max_length=36, pattern=r"^[0-9a-f-]*$")] = ""

    def keyed(
        self, actor: str, purpose: str, now: datetime, to_json: Callable[[Result], dict[str, Any]]
    ) -> KeyedRequest[Result] | None:
        """The request under the key of the form. None: the form has no key.

        Args:
            actor: the caller's.
            purpose: what the form is for: keys of two forms never meet.
            now: the time of the request.
            to_json: the answer for a result, which is stored.
        """
        if not self.key:
            return None
        digest = sha256(self.model_dump_json(exclude={"key"}).encode()).hexdigest()
        return KeyedRequest(AnswerKey(actor, f"{purpose}-form-{self.key}"), digest, now, to_json)


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
