"""Limits requests by their key, user or address, and says so in `RateLimit` headers.

The authentication counts a request for its key or its user, and one that it refuses for its address. Routes that need
no authentication count for the address by `limited_by_address`. Probes and static files are not counted.

The headers are those of the draft draft-ietf-httpapi-ratelimit-headers-11.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, TypeVar

from fastapi import Request

from adsum.platform.addresses import source_of
from adsum.platform.errors import RateLimited
from adsum.platform.http.dependencies import services_of
from adsum.platform.http.guarded_routes import guarded
from adsum.platform.http.list_files import wanted_file
from adsum.platform.http.transport import address_of
from adsum.platform.redis.rates import Allowance, RateLimits

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_HEADERS = "adsum.rate_limit_headers"
_IS_COSTLY = "is_costly"


def costly(endpoint: Endpoint) -> Endpoint:
    """Decorates an endpoint that takes long: an export, an import, a report. Its callers have a smaller quota."""
    setattr(endpoint, _IS_COSTLY, _always)
    return endpoint


def costly_as_file(endpoint: Endpoint) -> Endpoint:
    """Decorates a list that takes long only if all of it is returned as a file."""
    setattr(endpoint, _IS_COSTLY, _asks_for_file)
    return endpoint


def _always(_request: Request) -> bool:
    return True


def _asks_for_file(request: Request) -> bool:
    return wanted_file(request.headers.get("Accept", "")) is not None


def spend(request: Request, kind: str, subject: str) -> None:
    """Counts a request.

    Args:
        request: of the subject.
        kind: `key`, `user` or `address`.
        subject: its id, or the address.

    Raises:
        RateLimited: a quota is exceeded.
    """
    costs_much: Callable[[Request], bool] | None = getattr(request.scope.get("endpoint"), _IS_COSTLY, None)
    is_costly = costs_much is not None and costs_much(request)
    allowances = services_of(request)[RateLimits].spend(kind, subject, is_costly=is_costly)
    if not allowances:
        return
    request.scope[_HEADERS] = rate_limit_headers(allowances)
    exceeded = [allowance for allowance in allowances if allowance.is_exceeded]
    if exceeded:
        seconds = max(allowance.seconds for allowance in exceeded)
        names = [allowance.policy.name for allowance in exceeded]
        detail = f"too many requests: try again in {seconds} seconds"
        raise RateLimited(detail, retryAfter=seconds, policies=names)


def spend_of_address(request: Request) -> None:
    """Counts a request without a caller. Raises RateLimited."""
    spend(request, "address", source_of(address_of(request)))


async def _count_for_address(request: Request) -> None:
    if _HEADERS not in request.scope:
        spend_of_address(request)


@guarded(_count_for_address)
async def limited_by_address(request: Request) -> None:
    """The dependency of a route that needs no authentication."""
    await _count_for_address(request)


def rate_limit_headers(allowances: Sequence[Allowance]) -> dict[str, str]:
    """The policies that apply to a request, and what is left under each: structured fields (RFC 9651)."""
    policies = [f'"{each.policy.name}";q={each.policy.quota};w={each.policy.seconds}' for each in allowances]
    left = [f'"{each.policy.name}";r={each.remaining};t={each.seconds}' for each in allowances]
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)}


def counted_headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """The headers of the response to a request that was counted."""
    found: dict[str, str] = scope.get(_HEADERS, {})
    return found
