"""The base of all request and response bodies: camelCase, no unknown fields, no conversion of types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Generic, LiteralString, TypeVar, cast

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    Strict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from adsum.platform.ids import MAX_ID
from adsum.platform.paging import Row, RowPage
from adsum.platform.texts import MAX_NOTE, UNSTORABLE, UNSTORABLE_TEXT, WRONG_ROSTER_TEXT, is_roster_text, note_text


def _storable(text: str) -> str:
    # Postgres refuses a whole statement for one NUL, and half a surrogate pair cannot be written as UTF-8.
    if UNSTORABLE.search(text):
        raise PydanticCustomError("wrong_text", f"a text {UNSTORABLE_TEXT}")
    return text


def _roster_text(text: str) -> str:
    stripped = text.strip()
    if not is_roster_text(stripped):
        raise PydanticCustomError("wrong_text", WRONG_ROSTER_TEXT)
    return stripped


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("date_too_far", "must be within the years 1 to 9999 of UTC") from None


def _without_blanks(value: object) -> object:
    return note_text(value) if isinstance(value, str) else value


Id = Annotated[int, Strict(), Field(ge=1, le=MAX_ID)]
"""An id in a body: a JSON number of 64 bits, neither "12" nor true."""

PathId = Annotated[int, Field(ge=1, le=MAX_ID)]
"""An id in a path or a query."""

Flag = Annotated[bool, Strict()]
"""true or false, neither "yes" nor 1."""

PlainText = Annotated[str, AfterValidator(_storable)]
"""A text that both databases can store."""

Note = Annotated[PlainText, BeforeValidator(_without_blanks), Field(max_length=MAX_NOTE)]
"""A note about a mark. Blanks at its ends are not stored and do not count."""

RosterText = Annotated[str, AfterValidator(_roster_text)]
"""An id or a name in the roster, read as in roster files: without blanks at its ends and control characters."""

SentMoment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A moment that a client sends, with any offset."""

Moment = Annotated[
    AwareDatetime,
    PlainSerializer(
        lambda moment: moment.isoformat().replace("+00:00", "Z"),
        return_type=str,
        when_used="json",  # a table of the command line shows it to the second
    ),
]
"""A moment in UTC, in JSON such as `2024-12-25T07:30:00.123456Z`."""


class Schema(BaseModel):
    """The base of every body: snake_case in Python, camelCase in JSON, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="forbid",
        from_attributes=True,
    )


class SentSchema(Schema):
    """The base of bodies and queries that clients send. Their fields have no names in snake_case."""

    model_config = ConfigDict(validate_by_name=False)


MAX_REPORTED = 1_000
"""Errors in the entries of one long list after which no further entry is read. Collecting more blocks the process."""
_SLICE = 250


def long_list(max_length: int) -> WrapValidator:
    """Reads a list until `MAX_REPORTED` errors are found. One of more than `max_length` entries is refused unread.

    Validators of the field see slices of the list, so only those of entries and lengths of at most one are allowed.
    """
    return WrapValidator(partial(_in_slices, max_length))


def _in_slices(max_length: int, entries: Any, read: ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(entries, list):
        return read(entries)
    found: list[Any] = []
    errors: list[InitErrorDetails] = []
    sent = cast("list[Any]", entries)
    if len(sent) > max_length:
        raise PydanticCustomError("too_long", "a list has at most {max_length} entries", {"max_length": max_length})
    for start in range(0, len(sent) or 1, _SLICE):  # an empty list is read, too
        try:
            found += read(sent[start : start + _SLICE])
        except ValidationError as error:
            errors += (repeated_error(each, start) for each in error.errors(include_url=False))
            if len(errors) >= MAX_REPORTED:
                break
    if errors:
        raise ValidationError.from_exception_data("list", errors)
    return found


def repeated_error(error: ErrorDetails, start: int | None = None) -> InitErrorDetails:
    """An error that was found, to be raised with others. `start`: it is one of an entry in a slice that begins here."""
    loc = error["loc"]
    if start is not None and loc:
        loc = (start + int(loc[0]), *loc[1:])
    kind = PydanticCustomError(
        cast("LiteralString", error["type"]), cast("LiteralString", error["msg"]), error.get("ctx")
    )
    return InitErrorDetails(type=kind, loc=loc, input=error["input"])


Item = TypeVar("Item")


class Page(Schema, Generic[Item]):
    """One page of a list. `nextCursor` requests the next page; null: this is the last."""

    items: Sequence[Item]
    next_cursor: str | None = None


def page_of_items(page: RowPage[Row], to_item: Callable[[Row], Item]) -> Page[Item]:
    """The page of a service, each row as an item."""
    return Page(items=[to_item(row) for row in page.items], next_cursor=page.next_cursor)
