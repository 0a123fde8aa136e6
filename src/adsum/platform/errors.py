"""What can go wrong, as types. Each error carries every wrong thing that it knows of, with stable codes.

The web layer turns an `AdsumError` into problem+json, the command line into one line a thing on stderr.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong thing: where it is (a JSON pointer, or empty), what is wrong, and a code that never changes."""

    code: str
    detail: str
    pointer: str = ""
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Notice:
    """Something unusual that was accepted all the same. `code` is stable, `detail` is for people."""

    code: str
    detail: str


class AdsumError(Exception):
    """The root of all errors that Adsum raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, violations: Sequence[Violation] = (), **params: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.violations = tuple(violations)
        self.params = params


class ConfigurationError(AdsumError):
    """A setting is wrong or missing: the start stops."""

    code = "wrong_configuration"


class Invalid(AdsumError):
    """The request is well formed, and cannot be done as it stands (422)."""

    code = "invalid"


class Malformed(AdsumError):
    """The request cannot be read (400)."""

    code = "malformed"


class Unauthenticated(AdsumError):
    """Nobody known is asking (401)."""

    code = "unauthenticated"


class Forbidden(AdsumError):
    """The caller sees this and may not do it (403)."""

    code = "forbidden"


class NotFound(AdsumError):
    """It is not there, or the caller may not see it (404)."""

    code = "not_found"


class Conflict(AdsumError):
    """What the request builds upon is no longer so (409); `code` says which."""

    code = "conflict"


class RosterChanged(Conflict):
    """The roster is not the one that the caller saw; params `joined` and `left` hold student ids."""

    code = "roster_changed"


class RecordsExist(Conflict):
    """`onExisting: "fail"`, and there are records; one violation for each."""

    code = "records_exist"


class StaleVersion(AdsumError):
    """What was to be changed has been changed since the caller saw it (412)."""

    code = "stale_version"


class VersionRequired(AdsumError):
    """A change has to name the version that the caller saw, in `If-Match` (428)."""

    code = "version_required"


class IdempotencyKeyReused(Invalid):
    """The same `Idempotency-Key` came with another body."""

    code = "idempotency_key_reused"


class TooManyAttempts(AdsumError):
    """Too many wrong passwords lately (429); param `retryAfter` holds the seconds until the next one is looked at."""

    code = "too_many_attempts"


class TooLarge(AdsumError):
    """The body is larger than the limit (413)."""

    code = "too_large"


class Unavailable(AdsumError):
    """Not known to be done: a server that Adsum needs does not answer (503). Sending the same again is safe."""

    code = "unavailable"


class Overloaded(Unavailable):
    """More is waiting already than can be done soon (503)."""

    code = "overloaded"


def refuse(violations: Sequence[Violation]) -> None:
    """Raises Invalid with all violations, if there are any. Its detail is the first and the number of others."""
    if not violations:
        return
    more = f", and {len(violations) - 1} more" if len(violations) > 1 else ""
    raise Invalid(violations[0].detail + more, violations)


def caught(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | AdsumError:
    """What a function returns, or the error that it raises: for one of many that are done together."""
    try:
        return function(*args, **kwargs)
    except AdsumError as error:
        return error
