"""The forms of dates and times in the body of a new batch.

The service reads them, and names a wrong one together with every violation of a rule. A body with a wrong type does not
reach the service: its dates and times of a wrong form are named together with the wrong types.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, LiteralString, cast

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from adsum.platform.days import TIME, TIME_PATTERN, WrongDay, require_form
from adsum.platform.http.schemas import MAX_REPORTED, repeated_error


def with_wrong_forms(error: ValidationError, body: object) -> ValidationError:
    """The error of a body, with the dates and times of a wrong form that it does not name yet."""
    errors = error.errors(include_url=False)
    named = {each["loc"] for each in errors}
    more = (each for each in _wrong_forms(body) if each.get("loc") not in named)
    return ValidationError.from_exception_data(error.title, [*map(repeated_error, errors), *islice(more, MAX_REPORTED)])


def _wrong_forms(body: object) -> Iterator[InitErrorDetails]:
    if not isinstance(body, dict):
        return
    sent = cast("dict[str, Any]", body)
    try:
        if isinstance(day := sent.get("learningDate"), str):
            require_form(day)
    except WrongDay as wrong:
        kind = PydanticCustomError(cast("LiteralString", wrong.code), cast("LiteralString", str(wrong)))
        yield InitErrorDetails(type=kind, loc=("learningDate",), input=sent["learningDate"])
    marks = sent.get("marks")
    for i, mark in enumerate(cast("list[Any]", marks) if isinstance(marks, list) else ()):
        for name in ("arrivedAt", "leftAt"):
            text = cast("dict[str, Any]", mark).get(name) if isinstance(mark, dict) else None
            if isinstance(text, str) and not TIME.fullmatch(text):
                yield InitErrorDetails(
                    type="string_pattern_mismatch", loc=("marks", i, name), input=text, ctx={"pattern": TIME_PATTERN}
                )
