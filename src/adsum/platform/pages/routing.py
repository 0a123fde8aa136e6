"""Errors of pages: a redirect to the sign-in page, an error page, or for scripts a problem like the API's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from typing_extensions import override

from adsum.platform.errors import (
    AdsumError,
    ConfirmationNeeded,
    Invalid,
    Malformed,
    NoSchoolYet,
    NotFound,
    OtherVisitor,
    PasswordChangeRequired,
    SecondFactorSetupRequired,
    SignInIncomplete,
    Unauthenticated,
    Violation,
)
from adsum.platform.http.bare_page import bare_page, shows_page
from adsum.platform.http.guarded_routes import GuardedRoute
from adsum.platform.http.problems import headers_of, http_status_of, is_unreadable, unexpected_problem, violation_of
from adsum.platform.http.refusals import note_refusal
from adsum.platform.http.transport import SAFE
from adsum.platform.origin import ORIGIN
from adsum.platform.pages.local_paths import START, local_path
from adsum.platform.pages.rendering import site_of
from adsum.platform.telemetry import LogIcon, logger

JSON = "application/json"
# Pages of `accounts`: for visitors with a first password, for those whose role needs a second factor, and for those who
# signed in too long ago for a critical action.
CHOICE_OF_PASSWORD = "/account/password"  # noqa: S105 - an address
SECOND_FACTORS = "/account/second-factors"
CONFIRMATION = "/account/confirm"
STEPS: dict[type[SignInIncomplete], str] = {
    PasswordChangeRequired: CHOICE_OF_PASSWORD,
    SecondFactorSetupRequired: SECOND_FACTORS,
}
# The page of `operations` that lists the schools, and says how the first one comes.
ADMIN = "/admin"
SIGN_IN = "/sign-in"

log = logger(__name__)


class PageRoute(GuardedRoute):
    """A route whose errors are pages."""

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
            finally:
                await request.close()  # the files of its form, also of one that was refused

        return answer


def wants_json(request: Request) -> bool:
    """Whether a script of a page sent the request, not a browser that shows the response."""
    return request.headers.get("Accept", "").startswith(JSON)


def asks_for_page(request: Request) -> bool:
    """Whether a browser sent the request and shows the response."""
    return shows_page(request.headers)


def page_of_error(request: Request, error: Exception) -> Response | None:
    """The page for an error outside of `PageRoute`; None: no browser shows the response."""
    if not asks_for_page(request):
        return None
    if isinstance(error, AdsumError):
        return refusal_page(request, error)
    if isinstance(error, RequestValidationError):
        return refusal_page(request, _invalid(error))
    assert isinstance(error, HTTPException)
    if (above := _page_above(request, error)) is not None:
        return above
    response = _error_page(request, HTTPStatus(error.status_code), None)
    response.headers.update(error.headers or {})
    return response


def failure_of(request: Request) -> Response:
    """The 500 for an unexpected exception: a page for browsers, a problem for other clients."""
    if not asks_for_page(request):
        return unexpected_problem()
    try:
        return _error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, None)
    except Exception:
        log.exception("error page failed", mark=LogIcon.ERROR)
        return bare_page(HTTPStatus.INTERNAL_SERVER_ERROR, ORIGIN.get().request_id)


def refusal_page(request: Request, error: AdsumError) -> Response:
    """The page that shows an error. Raises the error itself if it has no HTTP status: its detail may be secret."""
    status = http_status_of(error)
    if status is None:
        raise error
    response = _error_page(request, status, error)
    response.headers.update(headers_of(error))
    return response


def _page_above(request: Request, error: HTTPException) -> Response | None:
    """The redirect of a browser that opens the address of a form, such as `/admin/people/7/password`, which is no page.

    A browser asks for it to show it in another language, after the visitor has signed in again, or from its history. It
    is led to the page above. None: the address is not one of a form.
    """
    is_no_page = error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and request.method == "GET"
    if not is_no_page or not isinstance(request.scope.get("route"), PageRoute):
        return None
    path, _, query = _path_of(request).partition("?")
    above = path.rpartition("/")[0] or START
    return RedirectResponse(f"{above}?{query}" if query else above, HTTPStatus.SEE_OTHER)


def _error_page(request: Request, status: HTTPStatus, error: AdsumError | None) -> Response:
    """Without an error, the page has the text of the status. The navigation needs a visitor who is known already."""
    return site_of(request).page(
        *(request, "error.html"),
        status=status,
        code=status.value,
        error=error,
        request_id=ORIGIN.get().request_id,
        sign_in=f"{SIGN_IN}?next={quote(_path_of(request))}",
        visitor=getattr(request.state, "visitor", None),
    )


def _page_of(request: Request, error: AdsumError | RequestValidationError) -> Response:
    note_refusal(request, error.code if isinstance(error, AdsumError) else Invalid.code)
    if isinstance(error, SignInIncomplete):
        return RedirectResponse(STEPS[type(error)], HTTPStatus.SEE_OTHER)
    if isinstance(error, ConfirmationNeeded):
        return confirmation_of(request)
    if isinstance(error, NoSchoolYet):
        return RedirectResponse(ADMIN, HTTPStatus.SEE_OTHER)
    if isinstance(error, Unauthenticated):
        if "HX-Request" in request.headers:
            # The request is for a fragment. Reloading the whole page leads to the sign-in page and back.
            return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Refresh": "true"})
        return RedirectResponse(f"{SIGN_IN}?next={quote(_path_of(request))}", HTTPStatus.SEE_OTHER)
    response = refusal_page(request, error if isinstance(error, AdsumError) else _unreadable(request, error))
    if isinstance(error, OtherVisitor) and "HX-Request" in request.headers:
        # The page is another user's: a poll reloads it, and the answer to a form replaces all of its content.
        answers = {"HX-Retarget": "#main", "HX-Reselect": "#main", "HX-Reswap": "outerHTML"}
        response.headers.update({"HX-Refresh": "true"} if request.method in SAFE else answers)
    return response


def confirmation_of(request: Request) -> Response:
    """The redirect to the page on which visitors confirm that it is them. It leads back to the request.

    A form is sent on to that page (307), which keeps its fields and sends them again.
    """
    status = HTTPStatus.SEE_OTHER if request.method in SAFE else HTTPStatus.TEMPORARY_REDIRECT
    return RedirectResponse(f"{CONFIRMATION}?then={quote(_path_of(request), safe='')}", status)


def after_sign_in(address: str) -> str:
    """The page that follows a sign-in: as `local_path`, but not to its own pages, which have nothing more to ask."""
    path = local_path(address)
    return START if urlsplit(path).path.startswith(SIGN_IN) else path


def _path_of(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def _unreadable(request: Request, error: RequestValidationError) -> AdsumError:
    """The error for parameters that cannot be parsed. Links on pages are valid, so other addresses do not exist.

    Visitors also type days into addresses: a wrong one is named.
    """
    if request.method != "GET":
        return _invalid(error)
    wrong_days = [
        Violation(each["type"], f"{str(each['input'])[:40]!r} is not a day", "", {"day": str(each["input"])[:40]})
        for each in error.errors()
        if each["type"].startswith("date_")
    ]
    if wrong_days and len(wrong_days) == len(error.errors()):
        return Invalid(wrong_days[0].detail, wrong_days)
    return NotFound("there is no such page")


def _invalid(error: RequestValidationError) -> AdsumError:
    found = error.errors()
    violations = [violation_of(each) for each in found]
    kind = Malformed if is_unreadable(found) else Invalid
    return kind("; ".join(violation.detail for violation in violations), violations)
