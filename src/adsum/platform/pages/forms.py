"""Forms that have one effect, and how pages show errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from adsum.platform.database.answers import AnswerKey, KeyedRequest
from adsum.platform.errors import AdsumError, Conflict, Invalid, Malformed
from adsum.platform.http.problems import http_status_of

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


def status_with(error: AdsumError | None) -> HTTPStatus:
    """The status of a page that shows this error, or none."""
    return HTTPStatus.OK if error is None else http_status_of(error) or HTTPStatus.INTERNAL_SERVER_ERROR


def redirect_to(address: str) -> RedirectResponse:
    """A redirect to the page that shows the result."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
