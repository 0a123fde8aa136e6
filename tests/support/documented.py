"""Fails a test that is answered with a code which the OpenAPI description does not name for the operation."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.live import ROOT

Answer = tuple[str, str, int, str]
PROBLEM = b"application/problem+json"
# Of the router, of the middleware for unexpected errors, and of tests that let a service fail.
EVERYWHERE = frozenset({"method_not_allowed", "internal_error", "unavailable"})


class ProblemCodes:
    """Notes the method, path, status and code of each problem with which operations answer."""

    def __init__(self, app: ASGIApp, undocumented: set[Answer]) -> None:
        self._app = app
        self._undocumented = undocumented

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: dict[str, Any] = {}

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            elif dict(started["headers"]).get(b"content-type") == PROBLEM:
                self._note(scope, started["status"], json.loads(message["body"])["code"])
            await send(message)

        await self._app(scope, receive, note if scope["type"] == "http" else send)

    def _note(self, scope: Scope, status: int, code: str) -> None:
        method, path = scope["method"], getattr(scope.get("route"), "path_format", "")
        documented = codes().get((method, path))
        if documented is not None and code not in EVERYWHERE and (status, code) not in documented:
            self._undocumented.add((method, path, status, code))


@cache
def codes() -> Mapping[tuple[str, str], frozenset[tuple[int, str]]]:
    """The statuses and codes of each operation, by its method and path."""
    description = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    shared = description["components"]["responses"]
    return {
        (method.upper(), path): frozenset(
            (int(status), code)
            for status, response in operation["responses"].items()
            if status != "default"
            for code in codes_in(shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response)
        )
        for path, item in description["paths"].items()
        for method, operation in item.items()
    }


def codes_in(response: Mapping[str, Any]) -> list[str]:
    return re.findall(r"^- `([a-z_]+)`: ", response["description"], re.MULTILINE)
