"""The errors of Adsum. Each has a stable code and a list of violations.

HTTP returns an `AdsumError` as problem+json; the command line prints one line per violation on stderr.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of a rule: a code that never changes, a text for people, and a JSON pointer, which may be empty."""

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
    """The base of all errors that Adsum raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str, violations: Sequence[Violation] = (), **params: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.violations = tuple(violations)
        self.params = params

    @property
    def violation_count(self) -> int:
        """The number of all violations, of which `violations` may list only the first."""
        return self.params.get("total", len(self.violations))


class ConfigurationError(AdsumError):
    """A setting is wrong or missing. The process does not start."""

    code = "wrong_configuration"


class Invalid(AdsumError):
    """The request is well formed but breaks a rule (422)."""

    code = "invalid"


class Malformed(AdsumError):
    """The request cannot be parsed (400)."""

    code = "malformed"


class Unauthenticated(AdsumError):
    """The request has no valid credentials (401)."""

    code = "unauthenticated"


class WrongSecondFactor(Unauthenticated):
    """A code or a passkey is wrong, or was used before."""

    code = "wrong_second_factor"


class Forbidden(AdsumError):
    """The caller lacks the permission (403)."""

    code = "forbidden"


class SignInIncomplete(Forbidden):
    """The user has signed in, and may do nothing before they have done what `code` names."""


class PasswordChangeRequired(SignInIncomplete):
    """The user has a first password, and has to choose their own."""

    code = "password_change_required"


class SecondFactorSetupRequired(SignInIncomplete):
    """The role of the user needs a second factor, and they have to set one up."""

    code = "second_factor_setup_required"


class ConfirmationNeeded(Forbidden):
    """The sign-in was confirmed too long ago for a critical action."""

    code = "confirmation_needed"


class NotFound(AdsumError):
    """It does not exist, or the caller may not see it (404)."""

    code = "not_found"


class NoSchoolYet(NotFound):
    """The page is about a school, and there is none. It comes with the first roster."""


class Conflict(AdsumError):
    """The request contradicts the current state (409). `code` names the reason."""

    code = "conflict"


class RosterChanged(Conflict):
    """The roster differs from the one in the request. The params `joined` and `left` hold student ids."""

    code = "roster_changed"


class OtherVisitor(AdsumError):
    """A page sends what one user has entered, and another one has signed in since (409)."""

    code = "other_visitor"


class RecordsExist(Conflict):
    """Records exist and the request has `onExisting: "fail"`. There is one violation per record."""

    code = "records_exist"


class Gone(AdsumError):
    """It existed, and was deleted for good (410). `code` names what."""

    code = "gone"


class StaleVersion(AdsumError):
    """The resource has a newer version than the caller's (412)."""

    code = "stale_version"


class VersionRequired(AdsumError):
    """The change lacks `If-Match` with the caller's version (428)."""

    code = "version_required"


class IdempotencyKeyReused(Invalid):
    """The `Idempotency-Key` was used with another body."""

    code = "idempotency_key_reused"


class TooManyAttempts(AdsumError):
    """Too many wrong passwords (429). The param `retryAfter` holds the seconds until the next attempt."""

    code = "too_many_attempts"


class RateLimited(AdsumError):
    """Too many requests (429). The param `retryAfter` holds the seconds until the next one, `policies` the limits."""

    code = "rate_limited"


class TooLarge(AdsumError):
    """The body is larger than the limit (413)."""

    code = "too_large"


class UnsupportedMediaType(AdsumError):
    """The body is of another type than the endpoint reads (415). The param `accepted` lists its types."""

    code = "unsupported_media_type"


class Unavailable(AdsumError):
    """A server that Adsum needs does not answer (503). The outcome is unknown; sending the request again is safe."""

    code = "unavailable"


class Overloaded(Unavailable):
    """Too much work is waiting (503)."""

    code = "overloaded"


class UnusableAnswer(Exception):
    """An answer of another server that cannot be used. The text says why, without personal data."""


class Unreachable(UnusableAnswer):
    """Another server does not answer, or not to the end. A later request may succeed."""


def reason(outage: AdsumError) -> str:
    """The first line of the error of the server or the driver, for operators. It has no password."""
    cause = outage.__cause__
    line = str(getattr(cause, "orig", cause) or outage.detail).strip().partition("\n")[0]
    return line.partition(">: ")[2] or line  # SQLAlchemy prepends the type: `<class 'X'>: text`


def number_of_errors(count: int, listed: int | None = None) -> str:
    """`1 error`, or `2,000 errors; 1,000 of them are listed` where an answer lists only some of them."""
    cut = f"; {listed:,} of them are listed" if listed is not None and listed < count else ""
    return f"{count:,} {'error' if count == 1 else 'errors'}{cut}"


def refuse(violations: Sequence[Violation]) -> None:
    """Raises Invalid with all violations, if there are any. Its detail is the first and the number of others."""
    if not violations:
        return
    more = f", and {len(violations) - 1} more" if len(violations) > 1 else ""
    raise Invalid(violations[0].detail + more, violations)


def caught(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | AdsumError:
    """The result of a function, or the AdsumError that it raises: for one of several items in a batch."""
    try:
        return function(*args, **kwargs)
    except AdsumError as error:
        return error
