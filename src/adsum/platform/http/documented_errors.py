"""The codes of the errors with which each operation answers, in the OpenAPI description.

Codes and texts are those of the error classes. Most errors follow from the form of an operation: one that has a body
can be malformed. An endpoint declares the others: `responses=raises(StatusExists, LetterTaken)`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adsum.platform import errors
from adsum.platform.errors import AdsumError
from adsum.platform.http.problems import MEDIA_TYPE, STATUSES, http_status_of_kind

ErrorKind = type[AdsumError]
Codes = Mapping[str, str]

_CODES = "x-codes"
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds until the next attempt.", "schema": {"type": "integer"}}}
RATE_LIMIT_HEADERS = {name: {"$ref": f"#/components/headers/{name}"} for name in ("RateLimit-Policy", "RateLimit")}
_HEADERS: Mapping[int, Mapping[str, Any]] = {429: _RETRY_AFTER | RATE_LIMIT_HEADERS, 503: _RETRY_AFTER}
# A form is read by fields, so that another type is a missing field.
_FORM = "application/x-www-form-urlencoded"


_OF_HEADERS: Mapping[str, Sequence[ErrorKind]] = {
    "idempotency-key": (errors.IdempotencyKeyReused,),
    "if-match": (errors.StaleVersion, errors.VersionRequired),
}


def raises(*kinds: ErrorKind) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that raises these errors, besides those of its form."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status = http_status_of_kind(kind)
        assert status is not None, kind
        response = found.setdefault(status.value, {"description": "", "content": _PROBLEM, _CODES: {}})
        response[_CODES][kind.code] = _text_of(kind)
    return found


def describe_errors(description: dict[str, Any], of_callers: Sequence[ErrorKind], free: frozenset[str]) -> None:
    """Adds the errors of each operation to an OpenAPI description. Of each status, the commonest becomes a component.

    Args:
        description: of all operations.
        of_callers: the errors of every operation with a caller.
        free: the paths that are not limited, and need no server.
    """
    operations = [(path, operation) for path, item in description["paths"].items() for operation in item.values()]
    of_form = [_codes(*_of_form(operation, of_callers, is_free=path in free)) for path, operation in operations]
    shared = _most_common(of_form)
    names = {status: next(kind.__name__ for kind, each in STATUSES if each == status) for status in shared}
    for (_, operation), codes in zip(operations, of_form, strict=True):
        for status, found in _with_declared(codes, operation).items():
            is_shared = found == shared.get(status)
            component = {"$ref": f"#/components/responses/{names.get(status)}"}
            operation["responses"][str(status)] = component if is_shared else _response(status, found)
    components: dict[str, Any] = description["components"]["responses"]
    components |= {names[status]: _response(status, each) for status, each in shared.items()}


def _most_common(codes: Sequence[Mapping[int, Codes]]) -> dict[int, Codes]:
    """By status, the errors that most operations have."""
    times: dict[int, Counter[tuple[tuple[str, str], ...]]] = defaultdict(Counter)
    for each in codes:
        for status, found in each.items():
            times[status][tuple(sorted(found.items()))] += 1
    return {status: dict(counted.most_common(1)[0][0]) for status, counted in sorted(times.items())}


def _with_declared(codes: Mapping[int, Codes], operation: Mapping[str, Any]) -> dict[int, Codes]:
    declared = {int(status): each[_CODES] for status, each in operation["responses"].items() if _CODES in each}
    return {status: {**codes.get(status, {}), **declared.get(status, {})} for status in {**codes, **declared}}


def _codes(*kinds: ErrorKind) -> dict[int, Codes]:
    return {int(status): each[_CODES] for status, each in raises(*kinds).items()}


def _of_form(operation: Mapping[str, Any], of_callers: Sequence[ErrorKind], *, is_free: bool) -> Iterator[ErrorKind]:
    if "requestBody" in operation:
        yield from (errors.Malformed, errors.TooLarge)
        if _FORM not in operation["requestBody"]["content"]:
            yield errors.UnsupportedMediaType
    if "security" in operation:
        yield from of_callers
    if operation.keys() & {"requestBody", "parameters", "security"}:  # the query of every caller is checked
        yield errors.Invalid
    # The id of a thing, or of a school, which the filter of a list names.
    if any(each.get("required") or each["name"] == "schoolId" for each in operation.get("parameters", ())):
        yield errors.NotFound
    if not is_free:
        yield errors.RateLimited
    for each in operation.get("parameters", ()):
        yield from _OF_HEADERS.get(each["name"].lower(), ())


def _text_of(kind: ErrorKind) -> str:
    """The first paragraph of the documentation of a class, without the status that it names."""
    words = " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
    return re.sub(r" \([0-9]{3}\)", "", words)


def _response(status: int, codes: Codes) -> dict[str, Any]:
    text = "\n".join(f"- `{code}`: {text}" for code, text in sorted(codes.items()))
    response: dict[str, Any] = {"description": text, "content": _PROBLEM}
    return response | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
