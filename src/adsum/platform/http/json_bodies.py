"""Reads JSON bodies. A name that an object repeats is refused: one of the values would be ignored.

Nothing interrupts the parser of one object or list, so that a body with very many values is refused before.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import cache
from http import HTTPStatus
from itertools import islice
from typing import Any, TypeAlias, cast

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.types import Receive, Scope
from typing_extensions import override

from adsum.platform.errors import AdsumError, Invalid, Violation, refuse
from adsum.platform.http.guarded_routes import GuardedRoute
from adsum.platform.http.problems import BODY, MAX_ENTRIES, pointer

Pairs = list[tuple[str, Any]]
_Place: TypeAlias = "tuple[_Place, str | int] | None"
"""The place of a value: that of its parent, and its own name or position. None: the content itself."""


MAX_UNKNOWN = 1_000
"""Unknown names of one body that are reported one by one. Reporting more would block the process."""
MAX_VALUES = 250_000
"""The largest batch has 20,000 marks with five fields each."""
# A body with up to this many values is parsed within about 10 ms.
PARSED_AT_ONCE = 20_000
READ_AT_ONCE = 2**16
# The end of a name, a comma or a brace, and all that is before it: texts are skipped as a whole. Each repetition is
# possessive, so that the time is linear in the length.
_TOKEN = re.compile(r'[^"{},]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"(\s*:)?|\\?\Z)|[{},]|\Z)', re.DOTALL)


async def json_of(body: bytes, kind: Any) -> Any:
    """The content of a body of a type, such as a class of pydantic. A thread reads and validates a long one.

    Raises:
        JSONDecodeError, Invalid: as `read_json`.
        ValidationError: a long body is not of the type.
    """
    if len(body) <= READ_AT_ONCE:
        return read_json(body, names_of(kind))
    return await asyncio.to_thread(lambda: _adapter_of(kind).validate_python(read_json(body, names_of(kind))))


def read_json(body: bytes, names: frozenset[str]) -> Any:
    """The content of a body.

    Args:
        body: in UTF-8, UTF-16 or UTF-32.
        names: those of all fields that its objects may have.

    Raises:
        JSONDecodeError: the body is not JSON.
        Invalid: with the place of each name that an object repeats; or there are too many unknown names, or values.
    """
    objects = _Objects(names)
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        if text.count(",") > PARSED_AT_ONCE:
            _require_bounded(text)
        content = json.loads(text, object_pairs_hook=objects.read)
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("not UTF-8", "", error.start) from None
    except (ValueError, RecursionError):
        raise json.JSONDecodeError("a number is too long, or objects are nested too deeply", "", 0) from None
    if objects.are_repeating:
        refuse(list(islice(_repeated_names(content), MAX_ENTRIES)))
    return content


def _require_bounded(text: str) -> None:
    """Refuses a text with too many values, or with an object of too many names. It need not be JSON."""
    names_of_objects = [0]
    values = 0
    for token in _TOKEN.finditer(text):
        last = token[0][-1:]
        if token[1] is not None:
            names_of_objects[-1] += 1
            if names_of_objects[-1] > MAX_UNKNOWN:
                raise _too_many_unknown()
        elif last == "}" and len(names_of_objects) > 1:
            names_of_objects.pop()
        elif last and last in "{,":
            values += 1
            if values > MAX_VALUES:
                detail = f"the body has more than {MAX_VALUES:,} values"
                raise Invalid(detail, [Violation("too_long", detail, "", {"maximum": MAX_VALUES})])
            if last == "{":
                names_of_objects.append(0)


class _Objects:
    """Reads the objects of a body, and counts their unknown names."""

    def __init__(self, names: frozenset[str]) -> None:
        self.are_repeating = False
        self._names = names
        self._unknown = 0

    def read(self, pairs: Pairs) -> dict[str, Any]:
        found = dict(pairs)
        if not self._names.issuperset(found):
            self._unknown += len(found.keys() - self._names)
            if self._unknown > MAX_UNKNOWN:
                raise _too_many_unknown()
        if len(found) == len(pairs):
            return found
        self.are_repeating = True
        return _RepeatingObject(pairs)


def _too_many_unknown() -> Invalid:
    detail = f"the body has more than {MAX_UNKNOWN:,} names that are unknown, or repeated"
    return Invalid(detail, [Violation("unknown_field", detail, "", {"maximum": MAX_UNKNOWN})])


@cache
def _adapter_of(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def names_of(kind: Any) -> frozenset[str]:
    """The names of all fields in bodies of a type. None of them has objects with any names."""
    names: set[str] = set()
    waiting: list[Any] = [_adapter_of(kind).json_schema()]
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, list):
            waiting += cast("list[Any]", schema)
        elif isinstance(schema, dict):
            parts = cast("dict[str, Any]", schema)
            names |= parts.get("properties", {}).keys()
            waiting += parts.values()
    return frozenset(names)


class JsonRoute(GuardedRoute):
    """A route that reads its body with `read_json`."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        kind = None if self.body_field is None else self.body_field.field_info.annotation

        async def answer(request: Request) -> Response:
            try:
                return await handle(_JsonRequest(request.scope, request.receive, kind))
            except _Refusal as refusal:
                raise refusal.error from None

        return answer


class _JsonRequest(Request):
    def __init__(self, scope: Scope, receive: Receive, kind: Any) -> None:
        super().__init__(scope, receive)
        self._kind = kind

    @override
    async def json(self) -> Any:
        try:
            return await json_of(await self.body(), self._kind)
        except AdsumError as error:
            raise _Refusal(error) from None
        except ValidationError as error:
            located = [{**each, "loc": (BODY, *each["loc"])} for each in error.errors(include_url=False)]
            raise _Refusal(RequestValidationError(located)) from None


class _Refusal(HTTPException):
    """Carries an error through FastAPI, which replaces others that `json` raises."""

    def __init__(self, error: AdsumError | RequestValidationError) -> None:
        super().__init__(HTTPStatus.UNPROCESSABLE_ENTITY)
        self.error = error


class _RepeatingObject(dict[str, Any]):
    """An object with a repeated name, and all its names and values."""

    def __init__(self, pairs: Pairs) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _repeated_names(content: Any) -> Iterator[Violation]:
    """One violation for each repeated name. Without recursion, because a client chooses the depth.

    A place is a chain of names and positions up to the content, since a copy of it for each value would take the memory
    of depth times breadth.
    """
    waiting: list[tuple[_Place, Any]] = [(None, content)]
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, list):
            children: Iterable[tuple[str | int, Any]] = enumerate(cast("list[Any]", value))
        elif isinstance(value, _RepeatingObject):
            children = value.pairs
            for name, count in Counter(name for name, _ in value.pairs).items():
                if count > 1:
                    yield Violation("field_repeated", f"{name[:40]} appears {count} times", _pointer((place, name)))
        else:
            children = cast("dict[str, Any]", value).items()
        nested: list[tuple[_Place, Any]] = [((place, key), each) for key, each in children if _has_children(each)]
        waiting.extend(reversed(nested))


def _has_children(value: Any) -> bool:
    return isinstance(value, (dict, list))


def _pointer(place: _Place) -> str:
    location: list[str | int] = []
    while place is not None:
        place, key = place
        location.append(key)
    return pointer(tuple(reversed(location)))
