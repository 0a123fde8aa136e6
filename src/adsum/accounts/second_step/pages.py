"""The second step of a sign-in, and the sign-in with a passkey alone."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from math import ceil
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from adsum.accounts.schemas import MAX_TYPED
from adsum.accounts.second_factors.passkeys import MAX_ANSWER
from adsum.accounts.second_factors.rules import FactorKind, Proof
from adsum.accounts.sign_ins.half_way import HalfWay
from adsum.accounts.sign_ins.second_step import SecondStep
from adsum.accounts.visitors import (
    HALF_WAY,
    PASSKEY_BROWSER,
    begin_session,
    client_of,
    relying_party_of,
    set_private_cookie,
)
from adsum.platform.errors import AdsumError, NotFound, TooManyAttempts, Unauthenticated, WrongSecondFactor
from adsum.platform.http.cookies import cookie_of, delete_cookie
from adsum.platform.http.dependencies import provided, services_of
from adsum.platform.http.guarded_routes import guarded
from adsum.platform.http.problems import headers_of, http_status_of
from adsum.platform.http.rate_limits import limited_by_address
from adsum.platform.http.transport import require_private_transport, require_same_origin
from adsum.platform.pages.local_paths import START
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import SIGN_IN, PageRoute, after_sign_in

router = APIRouter(include_in_schema=False, route_class=PageRoute, dependencies=[Depends(limited_by_address)])

PATH = "/sign-in/second-factor"
PASSKEY = "/sign-in/passkey"
Answer = Annotated[str, Form(max_length=MAX_ANSWER)]
Service = Annotated[SecondStep, Depends(provided(SecondStep))]


async def _half_way_of(request: Request) -> HalfWay:
    """The sign-in of this browser that lacks the second factor.

    Raises:
        Unauthenticated: there is none, or it has ended.
        Forbidden: another site has sent the request.
    """
    require_same_origin(request)
    return await services_of(request)[SecondStep].begun(cookie_of(request, HALF_WAY))


@guarded(_half_way_of)
async def half_way(request: Request) -> HalfWay:
    """The dependency that returns the sign-in of this browser that lacks the second factor."""
    return await _half_way_of(request)


@router.get(PATH)
async def second_step_page(
    request: Request,
    service: Service,
    begun: Annotated[HalfWay, Depends(half_way)],
    next: str = START,  # noqa: A002 - the name in the address
) -> Response:
    """Asks for the second factor."""
    return await _form(request, service, begun, next)


@router.post(PATH)
async def finish(
    request: Request,
    service: Service,
    begun: Annotated[HalfWay, Depends(half_way)],
    code: Annotated[str, Form(max_length=MAX_TYPED)] = "",
    passkey: Answer = "",
    next: Annotated[str, Form()] = START,  # noqa: A002
) -> Response:
    """Signs in with the second factor, and redirects to `next`."""
    require_private_transport(request)
    try:
        signed = await service.finish(begun, Proof(code, passkey), client_of(request))
    except (WrongSecondFactor, TooManyAttempts) as error:
        return await _form(request, service, begun, next, error)
    response = RedirectResponse(after_sign_in(next), HTTPStatus.SEE_OTHER)
    await begin_session(request, response, signed)
    return response


@router.post(f"{PATH}/options")
async def options(request: Request, service: Service, begun: Annotated[HalfWay, Depends(half_way)]) -> Response:
    """The options with which the browser lets a passkey of the user answer."""
    party = relying_party_of(request)
    if party is None:
        raise NotFound("passkeys need HTTPS and an address with a name")
    return JSONResponse(await service.options(begun, party))


@router.post(f"{PASSKEY}/options", dependencies=[Depends(require_same_origin)])
async def options_without_password(request: Request, service: Service) -> Response:
    """The options with which the browser lets any passkey of this site answer. A cookie binds them to the browser."""
    party = relying_party_of(request)
    if party is None:
        raise NotFound("passkeys need HTTPS and an address with a name")
    browser_id = secrets.token_hex(16)
    response = JSONResponse(await service.options_without_password(browser_id, party))
    set_private_cookie(request, response, PASSKEY_BROWSER, browser_id)
    return response


@router.post(PASSKEY, dependencies=[Depends(require_same_origin)])
async def sign_in_with_passkey(
    request: Request,
    service: Service,
    passkey: Answer = "",
    next: Annotated[str, Form()] = START,  # noqa: A002
) -> Response:
    """Signs in with a passkey that has verified the user, and redirects to `next`."""
    try:
        signed = await service.sign_in_with_passkey(
            passkey, cookie_of(request, PASSKEY_BROWSER) or "", client_of(request)
        )
    except (WrongSecondFactor, Unauthenticated):
        address = f"{SIGN_IN}?next={quote(after_sign_in(next), safe='')}&refused=passkey"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)
    response = RedirectResponse(after_sign_in(next), HTTPStatus.SEE_OTHER)
    await begin_session(request, response, signed)
    delete_cookie(request, response, PASSKEY_BROWSER)
    return response


async def _form(
    request: Request, service: SecondStep, begun: HalfWay, next_path: str, error: AdsumError | None = None
) -> Response:
    kinds = await service.kinds(begun)
    wait = error.params.get("retryAfter") if error is not None else None
    response = site_of(request).page(
        request,
        "second_step.html",
        status=HTTPStatus.OK if error is None else http_status_of(error) or HTTPStatus.UNAUTHORIZED,
        next=next_path,
        kinds=[kind.value for kind in kinds],
        has_passkeys=FactorKind.PASSKEY in kinds and relying_party_of(request) is not None,
        error=error,
        minutes=None if wait is None else ceil(wait / 60),
        visitor=None,
    )
    response.headers.update(headers_of(error) if error is not None else {})
    return response
