"""Decides after each attempt: a result, another attempt after a pause, or an error. Both clients ask here."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

import httpx2

from adsum.client.calls import Call, Result
from adsum.client.errors import ClientError, ConnectionFailed, Problem, UnexpectedAnswer, Violation, class_of

LOST = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError, httpx2.ProxyError)
"""Errors after which no answer is known. Others are faults of the call, such as an unknown scheme."""
_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
# Of the API, and of a proxy before an API that does not answer.
_UNAVAILABLE = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """When a call is sent again: after 429, 502, 503, 504 and lost connections.

    The pause before attempt n + 1 is random, between 0 and `first_pause` · 2ⁿ⁻¹ seconds, so that many clients do not
    come back at once; at least the seconds of `Retry-After`, if the answer has them.

    Attributes:
        attempts: at most, including the first one. 1: no retries.
        first_pause: seconds.
        longest_pause: seconds; if `Retry-After` is longer, the error is raised at once.
    """

    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 30.0

    def pause_after(self, attempt: int, retry_after: float | None = None) -> float | None:
        """Seconds until the next attempt; None: there is none."""
        at_least = retry_after or 0.0
        if attempt >= self.attempts or at_least > self.longest_pause:
            return None
        spread = min(self.longest_pause, self.first_pause * 2 ** (attempt - 1))
        return at_least + random.uniform(0, spread)  # noqa: S311 - no secret


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def retry_after(self) -> float | None:
        """The seconds of `Retry-After`; None: without it, or if it is a date, which this API never sends."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdecimal() else None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The connection failed, or broke before the end of the answer."""

    error: Exception

    @property
    def was_sent(self) -> bool:
        """Whether the API may have executed the request."""
        return not isinstance(self.error, _NEVER_SENT)


Outcome = Answer | NoAnswer


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """The call has this result."""

    result: Result


@dataclass(frozen=True, slots=True)
class Again:
    """The call is to be sent again after this pause, in seconds."""

    pause: float


def decide(call: Call[Result], outcome: Outcome, attempt: int, retries: Retries) -> Done[Result] | Again:
    """Decides after the `attempt`-th attempt.

    Raises:
        ClientError: the call has failed.
    """
    if isinstance(outcome, Answer) and 200 <= outcome.status < 300:
        return Done(read_result(call, outcome.content))
    pause = pause_after(outcome, attempt, retries, is_repeatable=call.is_repeatable)
    if pause is None:
        raise error_of(outcome) from (outcome.error if isinstance(outcome, NoAnswer) else None)
    return Again(pause)


def pause_after(outcome: Outcome, attempt: int, retries: Retries, *, is_repeatable: bool = True) -> float | None:
    """The seconds until a failed call is sent again; None: it has failed for good."""
    if isinstance(outcome, NoAnswer):
        return retries.pause_after(attempt) if is_repeatable or not outcome.was_sent else None
    if outcome.status == 429 or (outcome.status in _UNAVAILABLE and is_repeatable):
        return retries.pause_after(attempt, outcome.retry_after)
    return None


def error_of(outcome: Outcome) -> ClientError:
    """The error that a failed outcome is raised as."""
    if isinstance(outcome, NoAnswer):
        return ConnectionFailed(f"no answer: {str(outcome.error) or type(outcome.error).__name__}")
    body = _problem_in(outcome)
    code = body.get("code", f"http_{outcome.status}")
    detail = body.get("detail", "an answer that is no problem of Adsum")
    errors = [
        Violation(each["pointer"], each["detail"], each["code"], each["params"]) for each in body.get("errors", ())
    ]
    kind = class_of(outcome.status) if outcome.status >= 400 else Problem
    return kind(outcome.status, code, detail, errors, body.get("params"), outcome.retry_after)


def read_result(call: Call[Result], content: bytes | str) -> Result:
    """The result of a call in a successful answer.

    Raises:
        UnexpectedAnswer: the answer is none of this API.
    """
    try:
        return call.read(json.loads(content) if content else None)
    except (ValueError, TypeError, KeyError) as error:
        raise UnexpectedAnswer(f"{call.method} {call.path}: an answer of another form: {error!r}") from error


def _problem_in(answer: Answer) -> dict[str, Any]:
    if answer.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return {}
    body: dict[str, Any] = json.loads(answer.content)
    return body
