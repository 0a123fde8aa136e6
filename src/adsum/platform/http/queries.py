"""Query parameters of lists: the page, and the types of filters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, LiteralString, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from adsum.platform.days import WrongDay, day_near, plain_day
from adsum.platform.http.schemas import PathId, PlainText, RosterText, SentSchema
from adsum.platform.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT, PageRequest, WrongCursor, parsed
from adsum.platform.texts import MAX_WORDS

ON_BEHALF_OF = "onBehalfOf"
"""The query parameter that names the person for whom an API key acts."""
ON_BEHALF_OF_HEADER = "X-On-Behalf-Of"
"""The header that names this person: proxies and browsers write addresses, but no headers, into logs and histories."""


def _read_by(read: Callable[[str], date]) -> BeforeValidator:
    def day(text: object) -> date:
        if text is None:
            raise PydanticKnownError("string_type")
        try:
            return read(str(text))
        except WrongDay as error:
            raise PydanticCustomError(cast("LiteralString", error.code), cast("LiteralString", str(error))) from None

    return BeforeValidator(day)


def _cursor(text: str) -> str:
    try:
        parsed(text)
    except WrongCursor:
        raise PydanticCustomError("wrong_cursor", "this is not the nextCursor of an earlier page") from None
    return text


Day = Annotated[date, _read_by(day_near)]
"""A plain `YYYY-MM-DD` of the years 2 to 9998."""


def _not_before_the_first(last_day: date | None, info: ValidationInfo) -> date | None:
    first_day: date | None = info.data.get("first_day")
    if first_day is not None and last_day is not None and last_day < first_day:
        raise PydanticCustomError("days_reversed", "this is before the first day, `from`")
    return last_day


LastDay = Annotated[Day | None, AfterValidator(_not_before_the_first)]
"""The last day of a list, not before its field `first_day`."""

SourcedDay = Annotated[date, _read_by(plain_day)]
"""A plain `YYYY-MM-DD` of the roster, where 9999-12-31 is an open end."""

Words = Annotated[PlainText, StringConstraints(max_length=MAX_WORDS)]
"""Search words. Each word must occur."""

SourcedId = Annotated[RosterText, StringConstraints(max_length=255)]
"""An id in a roster file."""

StatusCode = PlainText
"""The code of a status. Each school defines its own."""


class WholeQuery(SentSchema):
    """The base of every query model. It ignores `onBehalfOf`, which the authentication reads."""

    @model_validator(mode="before")
    @classmethod
    def _without_the_person(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if name != ON_BEHALF_OF}


class SentInBody(SentSchema):
    """The first base of a query model that is sent as JSON, because its values are personal."""

    @model_validator(mode="before")
    @classmethod
    def _without_the_person(cls, given: Any) -> Any:
        return given  # a body names no person for whom a key acts

    @field_validator("*", mode="wrap")
    @classmethod
    def _unconverted(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        """Refuses a number or a flag of another type: a query has texts only, JSON has types."""
        found = read(value)
        if isinstance(found, int) and type(value) is not type(found):
            raise PydanticKnownError("bool_type" if isinstance(found, bool) else "int_type")
        return found


class SchoolQuery(WholeQuery):
    """The query of a list on one page."""

    school_id: PathId | None = None


class PageQuery(WholeQuery):
    """The query of a list."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="Maximum number of items per page.")] = DEFAULT_LIMIT
    cursor: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_CURSOR_LENGTH), AfterValidator(_cursor)] | None,
        Field(description="The `nextCursor` of the previous page, with the same filters."),
    ] = None

    @property
    def page(self) -> PageRequest:
        return PageRequest(self.cursor, self.limit)
