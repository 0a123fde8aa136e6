"""The errors of the client: problems that the API answers with, and the lack of a usable answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adsum.client.values import BatchStatus

SHOWN = 10


class ClientError(Exception):
    """The base of all errors of the client."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with a request.

    Attributes:
        pointer: JSON pointer into the body, such as `/marks/0/studentId`; of a query, `/query/limit`; `""`: all of it.
        detail: a text for people, which may change.
        code: names the violation and never changes, such as `unknown_student`.
        params: the values in `detail`, such as `{"maximum": 200}`.
    """

    pointer: str
    detail: str
    code: str
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Problem(ClientError):
    """The API, or something in between, refused a request.

    Attributes:
        status: the HTTP status.
        code: names the problem and never changes, such as `not_found`. An answer that is not of
            Adsum, such as the page of a proxy, has the status as its code: `http_502`.
        detail: a text for people, which may change.
        errors: every violation of the request; without any, the problem itself is the only entry.
        params: the values in `detail`, such as `joined` and `left` of `roster_changed`.
        retry_after: the seconds to wait before the next attempt, if the answer says so.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Violation] = (),
        params: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        lines = [f"{status} {code}: {detail}", *(f"  {each.pointer}: {each.detail}" for each in errors[:SHOWN])]
        if len(errors) > SHOWN:
            lines.append(f"  and {len(errors) - SHOWN} more")
        super().__init__("\n".join(lines) if len(errors) > 1 else lines[0])
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.params: Mapping[str, Any] = params or {}
        self.retry_after = retry_after


class Invalid(Problem):
    """422, or another 4xx without a class of its own: the request is wrong. `errors` lists every violation."""


class Unauthenticated(Problem):
    """401: the token or the API key is missing, wrong, expired or revoked."""


class Forbidden(Problem):
    """403: the caller sees this and may not do it."""


class NotFound(Problem):
    """404: it does not exist, or the caller may not see it."""


class Conflict(Problem):
    """409, 412: the request does not fit the present state, which `params` has: `roster_changed`, `stale_version`, …"""


class TooManyRequests(Problem):
    """429, after all retries, or at once if `retry_after` is longer than the client waits."""


class Unavailable(Problem):
    """5xx, after all retries. It is not known whether a request was executed; the same call with the same idempotency
    key is safe.
    """


class ConnectionFailed(ClientError):
    """No answer arrived, after all retries. As with `Unavailable`, it is not known whether a request was executed."""


class UnexpectedAnswer(ClientError):
    """An answer of 200 that is none of this API, such as the sign-in page of a proxy."""


class BatchTimeout(ClientError, TimeoutError):
    """A batch has not ended in time. It goes on: no batch that was accepted is lost, and one may wait for it again.

    Attributes:
        status: its last known state; None: none was read.
    """

    def __init__(self, batch_id: str, status: BatchStatus | None) -> None:
        done = "" if status is None else f", {status.remaining_jobs} of {status.total_jobs} jobs remain"
        super().__init__(f"{batch_id} has not ended in time{done}")
        self.status = status


class WrongSignature(ClientError):
    """A message is not from Adsum, was changed, or is too old: answer it with 400, and do nothing."""


def class_of(status: int) -> type[Problem]:
    """The class of a problem with this status."""
    by_status: dict[int, type[Problem]] = {
        401: Unauthenticated,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        412: Conflict,
        429: TooManyRequests,
    }
    return by_status.get(status, Unavailable if status >= 500 else Invalid)
