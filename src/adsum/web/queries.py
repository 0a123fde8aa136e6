"""What lists are asked with: the page, and types for what stands in a query. Unknown and repeated names are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, LiteralString, cast

from fastapi import Depends, Request
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from adsum.domain.access import Caller
from adsum.domain.cursors import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT, PageRequest, WrongCursor, parsed
from adsum.domain.days import WrongDay, day_near, plain_day
from adsum.errors import Flaw, Invalid
from adsum.services.acting import ON_BEHALF_OF
from adsum.web.authentication import authenticated
from adsum.web.schemas import PlainText, Schema


def _read_by(read: Callable[[str], date]) -> BeforeValidator:
    def day(text: object) -> date:
        try:
            return read(str(text))
        except WrongDay as error:
            raise PydanticCustomError(cast("LiteralString", error.code), cast("LiteralString", str(error))) from None

    return BeforeValidator(day)


def _cursor(text: str) -> str:
    try:
        parsed(text)
    except WrongCursor:
        raise PydanticCustomError("wrong_cursor", "this is no nextCursor of an earlier page") from None
    return text


Day = Annotated[date, _read_by(day_near)]
"""A plain `YYYY-MM-DD` of the years 2 to 9998."""

SourcedDay = Annotated[date, _read_by(plain_day)]
"""A plain `YYYY-MM-DD` of the roster, where 9999-12-31 is said for no end."""

Words = Annotated[PlainText, StringConstraints(max_length=100)]
"""What people type into a search field: each word has to be found."""

SourcedId = Annotated[PlainText, StringConstraints(max_length=255)]
"""An id of the roster file."""

StatusCode = PlainText
"""A code of a status; whether there is one is the school's business."""


class WholeQuery(Schema):
    """The base of every query that is read as a whole. Whom a key acts for may stand in any: see `authentication`."""

    @model_validator(mode="before")
    @classmethod
    def _without_the_person(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if name != ON_BEHALF_OF}


class PageQuery(WholeQuery):
    """The query of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Items a page, at most")] = DEFAULT_LIMIT
    cursor: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_CURSOR_LENGTH), AfterValidator(_cursor)] | None,
        Field(description="The `nextCursor` of the page before, with the same filters"),
    ] = None

    @property
    def page(self) -> PageRequest:
        return PageRequest(self.cursor, self.limit)


async def each_named_once(request: Request, _caller: Annotated[Caller, Depends(authenticated)]) -> None:
    """Refuses a query that names something twice: one of the two would be ignored."""
    times = Counter(name for name, _ in request.query_params.multi_items())
    flaws = [
        Flaw("field_repeated", f"{name} stands {count} times", f"/query/{name}", {"in": "query", "name": name})
        for name, count in times.items()
        if count > 1
    ]
    if flaws:
        raise Invalid("; ".join(flaw.detail for flaw in flaws), flaws)
