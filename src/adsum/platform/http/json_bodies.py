"""Reads JSON bodies. A name that an object repeats is refused: one of the values would be ignored."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from http import HTTPStatus
from typing import Any, cast

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from adsum.platform.errors import AdsumError, Violation, refuse
from adsum.platform.http.problems import pointer

Pairs = list[tuple[str, Any]]
Location = tuple[str | int, ...]


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
        refuse(list(_repeated_names(content)))
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
    """One violation for each repeated name. Without recursion, because a client chooses the depth."""
    waiting: list[tuple[Location, Any]] = [((), content)]
    while waiting:
        location, value = waiting.pop()
        pairs: list[tuple[str | int, Any]] = []
        if isinstance(value, _RepeatingObject):
            pairs.extend(value.pairs)
            times = Counter(name for name, _ in value.pairs)
            for name, count in times.items():
                if count > 1:
                    yield Violation("field_repeated", f"{name[:40]} stands {count} times", pointer((*location, name)))
        elif isinstance(value, dict):
            pairs.extend(cast("dict[str, Any]", value).items())
        elif isinstance(value, list):
            pairs.extend(enumerate(cast("list[Any]", value)))
        waiting.extend(((*location, key), each) for key, each in reversed(pairs))
