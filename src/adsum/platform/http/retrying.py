"""The headers of refusals that tell a client what to do next: to authenticate, or to come back later."""

from __future__ import annotations

import random
from http import HTTPStatus

RETRY_WITHIN_S = 5
"""After an outage or a refusal, clients come back within this time, each at another moment."""


def headers_of_status(status: HTTPStatus) -> dict[str, str]:
    """The headers of every answer with this status. Those of 503 differ each time."""
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return {"WWW-Authenticate": 'Bearer realm="adsum"'}
        case HTTPStatus.SERVICE_UNAVAILABLE:
            return {"Retry-After": str(random.randint(1, RETRY_WITHIN_S))}  # noqa: S311 - no secret
        case _:
            return {}
