"""Reads JSON bodies. A name that an object repeats is refused: one of the values would be ignored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any, TypeAlias, cast

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from adsum.platform.errors import AdsumError, Violation, refuse
from adsum.platform.http.problems import MAX_ENTRIES, pointer

Pairs = list[tuple[str, Any]]
_Place: TypeAlias = "tuple[_Place, str | int] | None"
"""The place of a value: that of its parent, and its own name or position. None: the content itself."""


def read_json(body: bytes) -> Any:
    """The content of a body.

    Raises:
        JSONDecodeError: the body is not JSON.
        Invalid: with the place of each name that an object repeats.
    """
    objects: list[_RepeatingObject] = []

    def read_object(pairs: Pairs) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        objects.append(_RepeatingObject(pairs))
        return objects[-1]

    try:
        content = json.loads(body, object_pairs_hook=read_object)
    except json.JSONDecodeError:
        raise
    except UnicodeDecodeError as error:
        raise json.JSONDecodeError("not UTF-8", "", error.start) from None
    except (ValueError, RecursionError):
        raise json.JSONDecodeError("a number is too long, or objects are nested too deeply", "", 0) from None
    if objects:
        refuse(list(islice(_repeated_names(content), MAX_ENTRIES)))
    return content


class JsonRoute(APIRoute):
    """A route that reads its body with `read_json`."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(_JsonRequest(request.scope, request.receive))
            except _Refusal as refusal:
                raise refusal.error from None

        return answer


class _JsonRequest(Request):
    @override
    async def json(self) -> Any:
        try:
            return read_json(await self.body())
        except AdsumError as error:
            raise _Refusal(error) from None


class _Refusal(HTTPException):
    """Carries an error through FastAPI, which replaces others that `json` raises."""

    def __init__(self, error: AdsumError) -> None:
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
