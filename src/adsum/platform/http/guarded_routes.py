"""Routes that read no body before they know its sender, and leave the fixed paths of other routes alone.

FastAPI reads the body before it runs the first dependency. Starlette lets `GET /attendances/{id}` answer
`GET /attendances/create-batch`, although that path belongs to a route for POST.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from typing_extensions import override

Check = Callable[[Request], Awaitable[object]]
"""Raises if the sender of a request cannot be authenticated. Stores in `request.state` what it has found."""
Dependency = TypeVar("Dependency", bound=Callable[..., Any])

_GUARD = "guard"


class Guard(NamedTuple):
    """The way in which a dependency refuses unknown senders.

    Attributes:
        check: is called before the body is read.
        schemes: the security schemes of the description, one of which a request has. If the dependency had them as its
            own dependencies, FastAPI would describe them, and solve them for each request.
    """

    check: Check
    schemes: tuple[str, ...] = ()


def guarded(check: Check, *schemes: str) -> Callable[[Dependency], Dependency]:
    """Decorates a dependency that refuses unknown senders: see `Guard`."""

    def decorate(dependency: Dependency) -> Dependency:
        setattr(dependency, _GUARD, Guard(check, schemes))
        return dependency

    return decorate


def keep_fixed_paths(app: FastAPI, routers: Iterable[APIRouter]) -> None:
    """Makes the guarded routes of `app` answer 405 at the paths without parameters of these routers."""
    methods = defaultdict[str, set[str]](set)
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and not route.param_convertors:
                methods[route.path] |= route.methods or set()
    app.state.methods_by_path = {path: ", ".join(sorted(allowed)) for path, allowed in methods.items()}


def describe_schemes(routers: Iterable[APIRouter]) -> None:
    """Adds the security schemes of their dependencies to the descriptions of the routes of these routers."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                names = dict.fromkeys(name for guard in _guards_of(route.dependant) for name in guard.schemes)
                if names:
                    route.openapi_extra = {**(route.openapi_extra or {}), "security": [{name: []} for name in names]}


class GuardedRoute(APIRoute):
    """A route that calls the checks of its dependencies before it reads a body, and before any other dependency.

    A route with parameters does not answer at the path of another route without: see `keep_fixed_paths`.
    """

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        checks = list(dict.fromkeys(guard.check for guard in _guards_of(self.dependant)))

        async def answer(request: Request) -> Response:
            if request.path_params:
                _refuse_fixed_path(request)
            for check in checks:
                await check(request)
            return await handle(request)

        return answer


def _refuse_fixed_path(request: Request) -> None:
    allowed: str | None = request.app.state.methods_by_path.get(request.scope["path"])
    if allowed is not None and request.method not in allowed.split(", "):
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": allowed})


def _guards_of(dependant: Dependant) -> Iterator[Guard]:
    for each in dependant.dependencies:
        guard: Guard | None = getattr(each.call, _GUARD, None)
        if guard is not None:
            yield guard
        yield from _guards_of(each)
