"""Errors as `application/problem+json` (RFC 9457), with one entry in `errors` for each violation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, get_args

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core.core_schema import ErrorType
from starlette.exceptions import HTTPException
from starlette.responses import Response

from adsum.platform import errors
from adsum.platform.days import TIME_PATTERN
from adsum.platform.errors import AdsumError, UnsupportedMediaType, Violation, number_of_errors
from adsum.platform.http.idempotency import KEY_PATTERN
from adsum.platform.http.refusals import note_refusal
from adsum.platform.http.retrying import headers_of_status
from adsum.platform.paging import POSITION_PATTERN

MEDIA_TYPE = "application/problem+json"
# The students of the largest batch. Writing a longer list would block the process.
MAX_ENTRIES = 10_000

# By base class, so that a new subclass needs no entry.
STATUSES: tuple[tuple[type[AdsumError], HTTPStatus], ...] = (
    (errors.Malformed, HTTPStatus.BAD_REQUEST),
    (errors.Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.OtherVisitor, HTTPStatus.CONFLICT),
    (errors.Gone, HTTPStatus.GONE),
    (errors.StaleVersion, HTTPStatus.PRECONDITION_FAILED),
    (errors.VersionRequired, HTTPStatus.PRECONDITION_REQUIRED),
    (errors.TooLarge, HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    (errors.UnsupportedMediaType, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (errors.RateLimited, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.TooManyAttempts, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Invalid, HTTPStatus.UNPROCESSABLE_ENTITY),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
)
PageOf = Callable[[Request, Exception], Response | None]
"""Returns the page for an error; None: no browser shows the response."""
# Codes of the errors that the router itself returns.
ROUTING_CODES: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "malformed",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}


def answer_errors(app: FastAPI, page_of: PageOf) -> None:
    """Returns every error of `app` as a page to browsers, and as a problem to other clients.

    The middleware `Observation` handles unexpected exceptions.
    """

    async def answer(request: Request, error: Exception) -> Response:
        note_refusal(request, _code_of(error))
        return page_of(request, error) or _problem_of_any(error)

    for kind in (AdsumError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _code_of(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return _routing_code(error)
    return error.code if isinstance(error, AdsumError) else errors.Invalid.code


def _problem_of_any(error: Exception) -> Response:
    if isinstance(error, AdsumError):
        return problem_of(error)
    if isinstance(error, RequestValidationError):
        return _problem_of_validation(error)
    assert isinstance(error, HTTPException)
    return _problem_of_http(error)


def problem_of(error: AdsumError) -> Response:
    """The problem for an error. Raises the error itself if it has no HTTP status."""
    status = http_status_of(error)
    if status is None:
        raise error  # the middleware returns 500
    return problem(status, error.code, error.detail, error.violations, error.params, headers_of(error))


def unexpected_problem() -> Response:
    """A 500 without details. The log has them under the request id."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "internal error; the log has details under this X-Request-ID",
    )


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    violations: Sequence[Violation] = (),
    params: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem. Without violations, the error itself is the only entry."""
    params = params or {}
    if len(violations) > MAX_ENTRIES:
        detail = f"{detail}; {MAX_ENTRIES:,} of {len(violations):,} errors are listed"
    body = {
        "type": f"urn:adsum:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status.value,
        "detail": detail,
        "code": code,
        "params": params,
        "errors": [
            _entry(violation) for violation in violations[:MAX_ENTRIES] or (Violation(code, detail, params=params),)
        ],
    }
    # ASCII, because it may quote input of the client, and half a surrogate pair is not valid UTF-8.
    content = json.dumps(body, ensure_ascii=True, default=str)
    return Response(content, status.value, {**headers_of_status(status), **(headers or {})}, MEDIA_TYPE)


def http_status_of(error: AdsumError) -> HTTPStatus | None:
    """The HTTP status of an error; None: it has none."""
    return http_status_of_kind(type(error))


def http_status_of_kind(kind: type[AdsumError]) -> HTTPStatus | None:
    """The HTTP status of the errors of a class; None: they have none."""
    return next((status for base, status in STATUSES if issubclass(kind, base)), None)


def headers_of(error: AdsumError) -> dict[str, str]:
    """The headers of this error, with those of its status."""
    status = http_status_of(error)
    by_status = {} if status is None else headers_of_status(status)
    return by_status | ({"Retry-After": str(error.params["retryAfter"])} if "retryAfter" in error.params else {})


def _entry(violation: Violation) -> dict[str, Any]:
    return {
        "pointer": violation.pointer,
        "detail": violation.detail,
        "code": violation.code,
        "params": dict(violation.params),
    }


def _problem_of_validation(error: RequestValidationError) -> Response:
    found = error.errors()
    if is_unreadable(found):
        violations = [violation_of(each) for each in found]
        return problem(HTTPStatus.BAD_REQUEST, errors.Malformed.code, violations[0].detail, violations)
    if isinstance(error.body, bytes):
        # FastAPI does not parse a body whose Content-Type is not JSON.
        return problem_of(unsupported_media_type(("application/json",)))
    violations = [violation_of(each) for each in found[:MAX_ENTRIES]]
    is_one = len(found) == 1
    detail = violations[0].detail if is_one else f"the request has {number_of_errors(len(found), len(violations))}"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, errors.Invalid.code, detail, violations)


def _problem_of_http(error: HTTPException) -> Response:
    """The problem for an error of the router."""
    status, code = HTTPStatus(error.status_code), _routing_code(error)
    if status is HTTPStatus.BAD_REQUEST:
        return problem(status, code, "the body of the request cannot be read")
    allowed = (error.headers or {}).get("Allow", "")
    detail = {
        HTTPStatus.NOT_FOUND: "there is nothing at this address",
        HTTPStatus.METHOD_NOT_ALLOWED: f"this address does not take this method, only {allowed}",
    }.get(status, status.phrase)
    return problem(status, code, detail, headers=error.headers)


def _routing_code(error: HTTPException) -> str:
    status = HTTPStatus(error.status_code)
    return ROUTING_CODES.get(status, status.name.lower())


def unsupported_media_type(accepted: Sequence[str]) -> UnsupportedMediaType:
    """The error for a body of another type than these."""
    detail = f"send the body with Content-Type: {' or '.join(accepted)}"
    return UnsupportedMediaType(detail, accepted=list(accepted))


def content_type_among(request: Request, accepted: Sequence[str]) -> str:
    """The type of the body in lower case, without parameters. Raises UnsupportedMediaType: it is not in `accepted`."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in accepted:
        raise unsupported_media_type(accepted)
    return content_type


BODY = "body"

# The codes of pydantic's error types. Clients may rely on the codes.
CODES: Mapping[str, str] = {
    "json_invalid": "malformed",
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "enum": "unknown_value",
    "literal_error": "unknown_value",
    "greater_than_equal": "out_of_range",
    "greater_than": "out_of_range",
    "less_than_equal": "out_of_range",
    "less_than": "out_of_range",
    "multiple_of": "out_of_range",
    "finite_number": "out_of_range",
    "int_parsing_size": "out_of_range",
    "string_too_short": "too_short",
    "bytes_too_short": "too_short",
    "too_short": "too_short",
    "string_too_long": "too_long",
    "bytes_too_long": "too_long",
    "url_too_long": "too_long",
    "too_long": "too_long",
    "string_pattern_mismatch": "wrong_form",
    "string_unicode": "wrong_text",
    "string_not_ascii": "wrong_text",
    "wrong_text": "wrong_text",
    **{
        code: code
        for code in (
            "date_format",
            "date_impossible",
            "date_too_far",
            "date_without_offset",
            "days_reversed",
            "wrong_cursor",
            "unknown_event_type",
            "wrong_replay",
            "unknown_time_zone",
        )
    },
}
# The first word of a pydantic error type, and the name of the type in JSON Schema.
JSON_TYPES: Mapping[str, str] = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "string": "string",
    "list": "array",
    "sequence": "array",  # a text
    "is": "array",  # no instance of Sequence
    "model": "object",
    "dict": "object",
}
WORDS_OF_TYPES: Mapping[str, str] = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "a text",
    "array": "a list",
    "object": "an object",
}
# The texts that match these patterns, in words.
FORMS: Mapping[str, str] = {
    TIME_PATTERN: "must be a time of the form HH:MM, such as 08:00",
    KEY_PATTERN: "must consist of visible ASCII characters, without blanks",
    "^password$": "must be password",
    POSITION_PATTERN: "must be the nextCursor of a page, the id of an event, or latest",
}
# The values of types without a name in JSON, in words, by the beginnings of pydantic's error types.
OTHER_TYPES: Mapping[str, str] = {
    "date_past": "must be a day in the past",
    "date_future": "must be a day in the future",
    "date_": "must be a date of the form YYYY-MM-DD",
    "datetime_past": "must be a time in the past",
    "datetime_future": "must be a time in the future",
    "datetime_": "must be a time with an offset, such as 2024-12-25T08:00:00Z",
    "timezone_": "must be a time with an offset, such as 2024-12-25T08:00:00Z",
    "time_delta_": "must be a duration, such as PT12H",
    "time_": "must be a time of the form HH:MM, such as 08:00",
    "url_": "must be an address, such as https://school.example",
    "uuid_": "must be a UUID",
    "decimal_": "must be a number, with fewer digits",
    "fraction_": "must be a number",
    "complex_": "must be a number",
    "bytes_": "must be a text",
    "none_": "must be null",
    "set_": "must be a list",
    "frozen_set_": "must be a list",
    "tuple_": "must be a list",
    "deque_": "must be a list",
    "iterable_": "must be a list",
    "mapping_": "must be an object",
    "frozen_dict_": "must be an object",
    "ordered_dict_": "must be an object",
    "counter_": "must be an object",
    "named_tuple_": "must be an object",
    "dataclass_": "must be an object",
    "arguments_": "must be an object",
    "union_tag_": "must be of one of the documented kinds",
}
# Every error type of pydantic whose message is not that of a validator of ours.
PYDANTICS = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}
# The keys of pydantic's `ctx` that become `params`. Other keys may hold input of the client.
PARAMS: Mapping[str, str] = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "above",
    "lt": "below",
    "multiple_of": "multipleOf",
    "min_length": "minimum",
    "max_length": "maximum",
    "pattern": "pattern",
    "expected": "expected",
    "close": "close",
}


def is_unreadable(found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the body is not JSON."""
    return any(error["type"] == "json_invalid" for error in found)


def violation_of(error: Mapping[str, Any]) -> Violation:
    """The violation for a pydantic error, without its `input`, which may be personal."""
    location = tuple(error["loc"])
    code, params = _code_and_params(str(error["type"]), error.get("ctx", {}))
    if code == "malformed":
        detail = f"the body is not JSON: {error['ctx']['error']} at character {location[-1]}"
        return Violation(code, detail, "", {"position": location[-1]})
    name = ".".join(str(part) for part in location[1:])
    where = (name.title() if location[0] == "header" else name) or f"the {location[0]}"
    is_text = isinstance(error.get("input"), str)
    complaint = _complaint(str(error["type"]), code, params, str(error["msg"]), is_text=is_text)
    if code == "wrong_type" and error.get("input", ...) is None:
        complaint += ", not null"
    detail = f"{where} {complaint}"
    if location[0] == BODY:
        return Violation(code, detail, pointer(location[1:]), params)
    # Outside of the body, the pointer begins with `query`, `path` or `header`. No field of a body has such a name.
    return Violation(code, detail, pointer(location), {"in": str(location[0]), "name": str(location[-1]), **params})


def pointer(location: Sequence[int | str]) -> str:
    """The JSON pointer (RFC 6901) of a location in the body, or of one that begins with `query`, `path` or `header`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _code_and_params(kind: str, context: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    expected = JSON_TYPES.get(kind.split("_", 1)[0])
    if kind not in CODES and expected and kind.endswith(("_type", "_parsing", "_from_float", "_of", "_str")):
        return "wrong_type", {"expected": expected}
    params = {ours: context[theirs] for theirs, ours in PARAMS.items() if theirs in context}
    return CODES.get(kind, "invalid_value"), params


def _complaint(kind: str, code: str, params: Mapping[str, Any], message: str, *, is_text: bool) -> str:
    """The fault of a value, as the predicate of a sentence. It names the allowed values in our own words."""
    is_one = 1 in {params.get("minimum"), params.get("maximum")}
    # A text with a validator of its own has the error types of lists.
    of_list = kind in {"too_long", "too_short"} and not is_text
    things = ("entry" if is_one else "entries") if of_list else ("character" if is_one else "characters")
    complaints = {
        "missing_field": "is missing",
        "unknown_field": "is not a field of this request",
        "wrong_type": f"must be {WORDS_OF_TYPES.get(params.get('expected', ''))}",
        "unknown_value": f"must be {params.get('expected')}",
        "out_of_range": f"must be {_bounds(params)}",
        "too_long": f"must have {_bounds(params)} {things}",
        "too_short": f"must have {_bounds(params)} {things}",
        "wrong_form": FORMS.get(str(params.get("pattern")), "does not have the form that is documented for it"),
    }
    if kind in {"string_unicode", "string_not_ascii"}:
        return f"must be a text{' of ASCII characters' if kind == 'string_not_ascii' else ''}"
    if code in complaints:
        return complaints[code]
    if kind in PYDANTICS:
        others = (text for beginning, text in OTHER_TYPES.items() if kind.startswith(beginning))
        return next(others, "has a value that is not allowed here")
    return f"is wrong: {message.removeprefix('Value error, ').removeprefix('Assertion failed, ')}"


def _bounds(params: Mapping[str, Any]) -> str:
    words = {
        "minimum": "at least",
        "maximum": "at most",
        "above": "more than",
        "below": "less than",
        "multipleOf": "a multiple of",
    }
    named = [f"{text} {params[name]}" for name, text in words.items() if name in params]
    return named[0] if named else "a number with fewer digits"
