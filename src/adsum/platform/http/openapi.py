"""The OpenAPI description: FastAPI's, with our problems in the place of its own validation errors."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from typing_extensions import override

from adsum.platform.http.queries import ON_BEHALF_OF

FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")
METHODS = ("get", "put", "post", "delete", "patch")

_ENTRY = {
    "type": "object",
    "required": ["pointer", "detail", "code", "params"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON pointer into the body; empty for anything else."},
        "detail": {"type": "string", "description": "For people; it may change."},
        "code": {"type": "string", "description": "For programs; it does not change."},
        "params": {"type": "object", "description": "What belongs to the code.", "additionalProperties": True},
    },
}
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457, with one entry in `errors` for every wrong thing.",
    "required": ["type", "title", "status", "detail", "code", "params", "errors"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people; it may change."},
        "code": {"type": "string", "description": "For programs; it does not change."},
        "params": {"type": "object", "description": "What belongs to the code.", "additionalProperties": True},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/ProblemEntry"}},
    },
}
_RESPONSE = {
    "description": "Any refusal or failure.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


# Of every request that needs a caller: `authentication` reads it, and no endpoint does.
_ON_BEHALF_OF = {
    "in": "query",
    "name": ON_BEHALF_OF,
    "required": False,
    "schema": {"type": "string"},
    "description": "The email of the person whom an API key with `attendance:act-as` acts for.",
}


class Application(FastAPI):
    """FastAPI with a description that tells what errors look like, and whom a key may act for."""

    @override
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi())
        return self.openapi_schema


def _completed(description: dict[str, Any]) -> dict[str, Any]:
    components = description.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in FASTAPIS_OWN:
        schemas.pop(name, None)
    schemas |= {"Problem": _PROBLEM, "ProblemEntry": _ENTRY}
    components["responses"] = {"Problem": _RESPONSE}
    for item in description["paths"].values():
        for method in METHODS:
            if method in item:
                _answer_with_problem(item[method]["responses"])
                if "security" in item[method]:
                    item[method].setdefault("parameters", []).append(_ON_BEHALF_OF)
    return description


def _answer_with_problem(responses: dict[str, Any]) -> None:
    invalid = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if invalid.get("$ref", "").endswith("/HTTPValidationError"):
        del responses["422"]
    responses["default"] = {"$ref": "#/components/responses/Problem"}
