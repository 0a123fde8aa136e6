"""From pydantic's errors to ours: a JSON pointer, a code that outlives pydantic's own, and words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adsum.platform.errors import Violation

BODY = "body"

# pydantic's types, of which it has a hundred, by the codes that clients may rely on.
CODES: Mapping[str, str] = {
    "json_invalid": "malformed",
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "enum": "unknown_value",
    "literal_error": "unknown_value",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
    "int_parsing_size": "out_of_range",
    "string_too_short": "too_short",
    "too_short": "too_short",
    "string_too_long": "too_long",
    "too_long": "too_long",
    "string_pattern_mismatch": "wrong_form",
    "string_unicode": "wrong_text",
    "wrong_text": "wrong_text",
    **{code: code for code in ("date_format", "date_impossible", "date_too_far", "days_reversed", "wrong_cursor")},
}
# The first word of a type of pydantic's, as JSON Schema calls it.
JSON_TYPES: Mapping[str, str] = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "string": "string",
    "list": "array",
    "model": "object",
    "dict": "object",
}
# What pydantic's `ctx` says, under the names of our `params`. The rest of it may hold what the client sent.
PARAMS: Mapping[str, str] = {
    "ge": "minimum",
    "le": "maximum",
    "min_length": "minimum",
    "max_length": "maximum",
    "pattern": "pattern",
    "expected": "expected",
}


def is_unreadable(found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the body is no JSON at all."""
    return any(error["type"] == "json_invalid" for error in found)


def violation_of(error: Mapping[str, Any]) -> Violation:
    """One error of pydantic's. Its `input` is left out: it may be personal."""
    location = tuple(error["loc"])
    code, params = _code_and_params(str(error["type"]), error.get("ctx", {}))
    if code == "malformed":
        detail = f"the body is not JSON: {error['ctx']['error']} at character {location[-1]}"
        return Violation(code, detail, "", {"position": location[-1]})
    where = ".".join(str(part) for part in location[1:]) or f"the {location[0]}"
    detail = f"{where} {_complaint(code, params, str(error['msg']))}"
    if location[0] == BODY:
        return Violation(code, detail, pointer(location[1:]), params)
    # What stands in a query, a path or a header has its place before its name, and no field of a body is so called.
    return Violation(code, detail, pointer(location), {"in": str(location[0]), "name": str(location[-1]), **params})


def pointer(location: Sequence[int | str]) -> str:
    """The JSON pointer (RFC 6901) of a place in the body, or of one that begins with `query`, `path` or `header`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _code_and_params(kind: str, context: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    expected = JSON_TYPES.get(kind.split("_", 1)[0])
    if kind not in CODES and expected and kind.endswith(("_type", "_parsing", "_from_float")):
        return "wrong_type", {"expected": expected}
    params = {ours: context[theirs] for theirs, ours in PARAMS.items() if theirs in context}
    return CODES.get(kind, "invalid_value"), params


def _complaint(code: str, params: Mapping[str, Any], message: str) -> str:
    complaints = {
        "missing_field": "is missing",
        "unknown_field": "is no field of this request",
        "wrong_type": f"must be of type {params.get('expected')}",
        "unknown_value": f"must be {params.get('expected')}",
        "out_of_range": f"must be {_bounds(params)}",
        "too_long": f"must have {_bounds(params)} entries or characters",
        "too_short": f"must have {_bounds(params)} entries or characters",
    }
    return complaints.get(code, f"is wrong: {message.removeprefix('Value error, ')}")


def _bounds(params: Mapping[str, Any]) -> str:
    if "minimum" in params:
        return f"at least {params['minimum']}"
    return f"at most {params['maximum']}" if "maximum" in params else "smaller"
