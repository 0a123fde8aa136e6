"""How a page answers what goes wrong: signing in, or a page that says it; to a script as the API would."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from typing_extensions import override

from adsum.platform.errors import AdsumError, Invalid, NotFound, Unauthenticated
from adsum.platform.http.problems import status_of, violation_of
from adsum.platform.pages.rendering import site_of

JSON = "application/json"


class PageRoute(APIRoute):
    """A route of a page."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except (AdsumError, RequestValidationError) as error:
                if wants_json(request):
                    raise
                return _page_of(request, error)

        return answer


def wants_json(request: Request) -> bool:
    """Whether a script of ours asks, and not somebody's browser for a page."""
    return request.headers.get("Accept", "").startswith(JSON)


def asks_for_page(request: Request) -> bool:
    """Whether somebody's browser asks, which shows whatever it is sent."""
    return "text/html" in request.headers.get("Accept", "")


def refusal_page(request: Request, error: AdsumError) -> Response:
    """A page that says what is refused."""
    status = status_of(error) or HTTPStatus.INTERNAL_SERVER_ERROR
    return site_of(request).page(request, "error.html", status=status, code=status.value, error=error, visitor=None)


def _page_of(request: Request, error: AdsumError | RequestValidationError) -> Response:
    if isinstance(error, Unauthenticated):
        if "HX-Request" in request.headers:
            # A part of a page asks: let the whole of it be asked for, which then leads to signing in and back.
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Refresh": "true"})
        back = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
        return RedirectResponse(f"/sign-in?next={quote(back)}", HTTPStatus.SEE_OTHER)
    return refusal_page(request, error if isinstance(error, AdsumError) else _unreadable(request, error))


def _unreadable(request: Request, error: RequestValidationError) -> AdsumError:
    """A page's address is made by us: one that cannot be read leads nowhere."""
    if request.method == "GET":
        return NotFound("there is no such page")
    violations = [violation_of(each) for each in error.errors()]
    return Invalid("; ".join(violation.detail for violation in violations), violations)
