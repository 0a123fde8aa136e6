"""Retries operations while a server is unavailable."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from adsum.platform.errors import Unavailable
from adsum.platform.telemetry import LogIcon, logger

log = logger(__name__)

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0

P = ParamSpec("P")
T = TypeVar("T")


async def retry_forever(operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Repeats an idempotent operation until it succeeds. Errors other than outages are raised.

    Pauses grow and are random, so that a thousand workers do not retry at the same instant.
    """
    return await _retrying()(operation, *args, **kwargs)


async def retry(times: int, operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Tries an idempotent operation at most `times` times. Raises Unavailable if the last attempt fails."""
    return await _retrying().copy(stop=stop_after_attempt(times))(operation, *args, **kwargs)


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(FIRST_PAUSE_S, max=LONGEST_PAUSE_S),
        before_sleep=_log_outage,
        reraise=True,
    )


def _log_outage(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, Unavailable)  # other errors are not retried
    log.error("outage, retrying", mark=LogIcon.ERROR, code=error.code, attempt=state.attempt_number)
