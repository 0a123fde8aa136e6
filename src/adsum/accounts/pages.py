"""Signing in and out of the pages, and choosing a language."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from adsum.accounts.cookies import forget, keep_signed_in
from adsum.accounts.visitors import Visitor, signed_in
from adsum.platform.errors import AdsumError, NotFound, TooManyAttempts, Unauthenticated
from adsum.platform.http.dependencies import OpenAdsum, adsum_of
from adsum.platform.http.problems import headers_of, status_of
from adsum.platform.http.transport import PlainHttp, address_of, require_private_transport, require_same_origin
from adsum.platform.pages.languages import COOKIE
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute, wants_json

router = APIRouter(include_in_schema=False, route_class=PageRoute)

START = "/"
A_YEAR_S = 365 * 24 * 3600


@router.get("/sign-in")
async def sign_in_page(request: Request, next: str = START) -> Response:  # noqa: A002 - the name in the address
    """The form; over plain HTTP from elsewhere, what to do about that."""
    try:
        require_private_transport(request)
    except PlainHttp as error:
        return _plain_http(request, error)
    return _form(request, next, "", None)


@router.post("/sign-in", dependencies=[Depends(require_same_origin)])
async def sign_in(
    request: Request,
    adsum: OpenAdsum,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = START,  # noqa: A002
) -> Response:
    """Signs in, and goes on to where the visitor wanted to go; a script gets an empty answer."""
    try:
        require_private_transport(request)
        token = await adsum.signing_in.sign_in(email, password, address_of(request))
    except (PlainHttp, Unauthenticated, TooManyAttempts) as error:
        if wants_json(request):
            raise
        return _plain_http(request, error) if isinstance(error, PlainHttp) else _form(request, next, email, error)
    response = (
        Response(status_code=HTTPStatus.NO_CONTENT)
        if wants_json(request)
        else RedirectResponse(own_path(next), HTTPStatus.SEE_OTHER)
    )
    keep_signed_in(request, response, token.text, token.expires_in)
    return response


def _form(request: Request, then: str, email: str, error: AdsumError | None) -> Response:
    status = HTTPStatus.OK if error is None else status_of(error) or HTTPStatus.UNAUTHORIZED
    wait = error.params.get("retryAfter") if error is not None else None
    response = site_of(request).page(
        request,
        "sign_in.html",
        status=status,
        next=then,
        email=email,
        error=error,
        minutes=None if wait is None else ceil(wait / 60),
        visitor=None,
    )
    response.headers.update(headers_of(error) if error is not None else {})
    return response


def _plain_http(request: Request, error: PlainHttp) -> Response:
    """One page that says how to come by HTTPS, or which setting does without."""
    public_url = adsum_of(request).settings.public_url
    status = status_of(error) or HTTPStatus.FORBIDDEN
    secure_url = public_url if public_url and public_url.startswith("https://") else None
    return site_of(request).page(
        request, "plain_http.html", status=status, secure_url=secure_url, address=address_of(request), visitor=None
    )


@router.post("/sign-out")
async def sign_out(
    request: Request,
    adsum: OpenAdsum,
    visitor: Annotated[Visitor, Depends(signed_in)],
    everywhere: Annotated[bool, Form()] = False,
) -> Response:
    """Drops the cookie; `everywhere` ends all tokens of the visitor, on every device."""
    if everywhere:
        await adsum.accounts.end_tokens(visitor.caller)
    response = RedirectResponse("/sign-in", HTTPStatus.SEE_OTHER)
    forget(request, response)
    return response


@router.post("/language", dependencies=[Depends(require_same_origin)])
async def choose_language(
    request: Request,
    language: Annotated[str, Form()],
    next: Annotated[str, Form()] = START,  # noqa: A002
) -> Response:
    """Keeps the choice for a year."""
    if language not in site_of(request).languages:
        raise NotFound("there is no such language")
    response = RedirectResponse(own_path(next), HTTPStatus.SEE_OTHER)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, language, max_age=A_YEAR_S, secure=secure, httponly=True, samesite="lax", path="/")
    return response


def own_path(address: str) -> str:
    """The address, if it is a path of ours, else the start page: nobody is sent to another site from here.

    A browser takes `//` and `/\\` at the beginning for another host, and drops tabs and line ends before it looks.
    """
    is_plain = address.startswith("/") and address.isprintable() and "\\" not in address
    parts = urlsplit(address) if is_plain else None
    return address if parts and not parts.netloc and not address.startswith("//") else START
