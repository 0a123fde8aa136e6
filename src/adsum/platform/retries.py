"""An outage is not a failure: what needs a server that is away is tried again, without end."""

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
    """Does an operation that may be done twice, as often as it takes. Pauses grow, and are random, so that a thousand
    workers do not come back in the same instant. Errors other than outages pass.
    """
    return await _retrying()(operation, *args, **kwargs)


async def retry(times: int, operation: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same so many times, for who can do it in another way then. Raises Unavailable when the last one failed."""
    return await _retrying().copy(stop=stop_after_attempt(times))(operation, *args, **kwargs)


def _retrying() -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(FIRST_PAUSE_S, max=LONGEST_PAUSE_S),
        before_sleep=_tell,
        reraise=True,
    )


def _tell(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, Unavailable)  # nothing else is tried again
    log.error("outage, trying again", mark=LogIcon.ERROR, code=error.code, attempt=state.attempt_number)
