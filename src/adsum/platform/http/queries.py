"""Query parameters of lists: the page, and the types of filters. Unknown and repeated parameters are refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, LiteralString, cast

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from adsum.platform.days import WrongDay, day_near, plain_day
from adsum.platform.errors import Violation
from adsum.platform.http.problems import violation_of
from adsum.platform.http.schemas import PathId, PlainText, RosterText, SentSchema
from adsum.platform.paging import DEFAULT_LIMIT, MAX_CURSOR_LENGTH, MAX_LIMIT, PageRequest, WrongCursor, parsed

ON_BEHALF_OF = "onBehalfOf"
"""The query parameter that names the person for whom an API key acts."""
ON_BEHALF_OF_HEADER = "X-On-Behalf-Of"
"""The header that names this person: proxies and browsers write addresses, but no headers, into logs and histories."""


NamesByRoute = dict[str, frozenset[str] | None]
"""The names of query parameters by the unique id of a route. It is `query_names` in the state of the application."""


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

SourcedDay = Annotated[date, _read_by(plain_day)]
"""A plain `YYYY-MM-DD` of the roster, where 9999-12-31 is an open end."""

Words = Annotated[PlainText, StringConstraints(max_length=100)]
"""Search words. Each word must occur."""

SourcedId = Annotated[RosterText, StringConstraints(max_length=255)]
"""An id in a roster file."""

StatusCode = PlainText
"""The code of a status. Each school defines its own."""


def wrong_names(request: Request) -> list[Violation]:
    """One violation for each name that the query of a request repeats, and for each that its endpoint does not have.

    One of the values would be ignored. A query model refuses unknown names itself, with the other violations.
    """
    times = Counter(name for name, _ in request.query_params.multi_items())
    known = _names_of_route(request)
    unknown = [] if known is None else [name for name in times if name not in {*known, ON_BEHALF_OF}]
    return [
        *(_repeated(name, count) for name, count in times.items() if count > 1),
        *(violation_of({"type": "extra_forbidden", "loc": ("query", name), "msg": ""}) for name in unknown),
    ]


def _repeated(name: str, count: int) -> Violation:
    return Violation("field_repeated", f"{name} appears {count} times", f"/query/{name}", {"in": "query", "name": name})


def _names_of_route(request: Request) -> frozenset[str] | None:
    """As `_names_of`, and kept for the next requests of this route, whose dependencies never change."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    kept: NamesByRoute = request.app.state.query_names
    if route.unique_id not in kept:
        kept[route.unique_id] = _names_of(route.dependant)
    return kept[route.unique_id]


def _names_of(dependant: Dependant) -> frozenset[str] | None:
    """The names of the query parameters; None: there is a query model."""
    names: set[str] = set()
    waiting = [dependant]
    while waiting:
        each = waiting.pop()
        waiting += each.dependencies
        for field in each.query_params:
            kind = field.field_info.annotation
            if isinstance(kind, type) and issubclass(kind, WholeQuery):
                return None
            names.add(field.alias)
    return frozenset(names)


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
