"""Routes that read no body before they know its sender.

FastAPI reads the body before it runs the first dependency.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from typing_extensions import override

Check = Callable[[Request], Awaitable[object]]
"""Raises if the sender of a request cannot be authenticated. Stores in `request.state` what it has found."""
Dependency = TypeVar("Dependency", bound=Callable[..., Any])

_CHECK = "check"


def guarded(check: Check) -> Callable[[Dependency], Dependency]:
    """Decorates a dependency that refuses unknown senders: the route calls `check` before it reads a body."""

    def decorate(dependency: Dependency) -> Dependency:
        setattr(dependency, _CHECK, check)
        return dependency

    return decorate


class GuardedRoute(APIRoute):
    """A route that calls the checks of its dependencies before it reads a body, and before any other dependency."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        checks = list(dict.fromkeys(_checks_of(self.dependant)))

        async def answer(request: Request) -> Response:
            for check in checks:
                await check(request)
            return await handle(request)

        return answer


def _checks_of(dependant: Dependant) -> Iterator[Check]:
    for each in dependant.dependencies:
        check: Check | None = getattr(each.call, _CHECK, None)
        if check is not None:
            yield check
        yield from _checks_of(each)
